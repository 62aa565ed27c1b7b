/** How much, and for how long, one client may ask of the service. Times in ms. */
export const LIMITS = {
  /** Of a JSON body, bytes. The largest that is answered, a batch of 1,000 requests, has some 350 kB at 17 digits a number. */
  body: 1_048_576,

  /** Of all of a request's headers, bytes. A key, a balancer's headers and a browser's come to less than 2 kB. */
  header: 8_192,

  /** Of a UserID in a path, characters once decoded; longer ones that fit are refused by name. */
  param: 1_000,

  /** For a request's headers to arrive whole; they fit one packet or few. */
  headersTime: 15_000,

  /** For a request to arrive whole. A CSV is answered while it is read: of the slowest model that is a million rows. */
  requestTime: 300_000,

  /**
   * Without a byte either way. Longer than an ALB's idle timeout (60 s), so that it is the balancer
   * that closes: it would answer 502 for a request that it sends into a connection closed here.
   */
  idleTime: 75_000,

  /** Between two looks for requests that take too long. */
  lookTime: 5_000
} as const

/** As `LIMITS`, with other numbers: a test does not wait five minutes. */
export type Limits = { readonly [limit in keyof typeof LIMITS]: number }
