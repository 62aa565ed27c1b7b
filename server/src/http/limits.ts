/** How much, and for how long, one client may ask of the service. Times in ms. */
export const LIMITS = {
  /** Of a JSON body, bytes. The largest that is answered, a batch of 1,000 requests, has some 350 kB at 17 digits a number. */
  body: 1_048_576,

  /** Of the body of a single prediction, bytes: 8 numbers, which take some 300. */
  featuresBody: 16_384,

  /** Of a body with one typing, bytes: of 1,000 keys it has some 14,000. */
  typingBody: 65_536,

  /** Of a body with ten of them, bytes. */
  typingsBody: 262_144,

  /** Of all bodies that are held at a time, bytes; with what is made of them, a tenth of a small task's memory. */
  bytes: 33_554_432,

  /** CSVs that are answered at a time; more would be no faster, and each holds some hundred rows. */
  uploads: 32,

  /**
   * Connections that are open at a time; more are closed at once. Of 1,024 that have something to read, libuv would go
   * on reading for many rounds before it lets anything else happen (`uv__io_poll`).
   */
  connections: 1_000,

  /** For the answer to a request, once it is there whole: what would take longer is refused at once. */
  wait: 200,

  /** Of all of a request's headers, bytes. A key, a balancer's headers and a browser's come to less than 2 kB. */
  header: 8_192,

  /** For a request's headers to arrive whole; they fit one packet or few. */
  headersTime: 15_000,

  /** For a body that is gathered, which is any but a CSV, to arrive whole. */
  bodyTime: 10_000,

  /** For a request to arrive whole. A CSV is answered while it is read: of the slowest model that is a million rows. */
  requestTime: 300_000,

  /**
   * Without a byte either way. Longer than an ALB's idle timeout (60 s), so that it is the balancer
   * that closes: it would answer 502 for a request that it sends into a connection closed here.
   */
  idleTime: 75_000,

  /** Between two looks for requests that take too long, and at how long they take. */
  lookTime: 1_000
} as const

/** As `LIMITS`, with other numbers: a test does not wait five minutes. */
export type Limits = { readonly [limit in keyof typeof LIMITS]: number }
