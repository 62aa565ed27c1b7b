/** `npx tsx infra/cost.ts`: what the deployment costs a month, as the table of docs/deployment.md. */
import { type Config, loadConfig } from './config.ts'

/** Hours of a month, as AWS reckons. */
const HOURS = 730

/** On-demand list prices of us-east-1 in 2026, $; other regions are up to a third dearer. */
const PRICES = {
  vcpuHour: { X86_64: 0.04048, ARM64: 0.03238 },
  gbHour: { X86_64: 0.004445, ARM64: 0.00356 },
  balancerHour: 0.0225,
  balancerUnitHour: 0.008,
  addressHour: 0.005,
  endpointHour: 0.01,
  endpointGb: 0.01,
  alarmMetric: 0.1,
  secret: 0.4,
  tableMillionReads: 0.125,
  /** With point-in-time recovery. */
  tableGb: 0.25 + 0.2,
  imageGb: 0.1,
  logGb: 0.5,
  firewall: 5,
  firewallRule: 1,
  firewallMillionRequests: 0.6
}

/** What is served in a month, for the parts that cost by use. */
const ASSUMED = {
  requestsASecond: 1,
  /** A line of the server and what CloudWatch adds, KB. */
  logOfRequest: 0.3,
  /** All images, of which most layers are the same, GB. */
  images: 2,
  /** 10,000 people of eight typings. */
  usersGb: 0.02
}

const ZONES = 2
const ENDPOINTS = 4
const SECRETS = 3
/** Of every task, to see which users changed. */
const READS_A_SECOND = 1 / 5
/** Four alarms, one of two metrics, and the two that each of the two scaling policies makes itself. */
const ALARM_METRICS = 9
const FIREWALL_RULES = 4

/** @returns each part and what it costs a month, $ */
export function monthlyCost(config: Config): [part: string, dollars: number][] {
  const { architecture, cpu, memory, minTasks, firewall } = config
  const task = (cpu / 1024) * PRICES.vcpuHour[architecture] + (memory / 1024) * PRICES.gbHour[architecture]
  const requests = ASSUMED.requestsASecond * 3600 * HOURS
  const logs = (requests * ASSUMED.logOfRequest) / 1e6
  return [
    [
      `${minTasks} tasks of ${cpu / 1024} vCPU and ${memory / 1024} GB, ${architecture}`,
      minTasks * task * HOURS
    ],
    ['Load balancer, with one capacity unit', (PRICES.balancerHour + PRICES.balancerUnitHour) * HOURS],
    [`${ZONES} public addresses of the load balancer`, ZONES * PRICES.addressHour * HOURS],
    [
      `${ENDPOINTS} endpoints in ${ZONES} zones, in place of a way to the internet`,
      ENDPOINTS * ZONES * PRICES.endpointHour * HOURS + logs * PRICES.endpointGb
    ],
    [`Logs, ${logs.toFixed(1)} GB`, logs * PRICES.logGb],
    ['Alarms', ALARM_METRICS * PRICES.alarmMetric],
    ['Keys and the audit’s secret, in three secrets', SECRETS * PRICES.secret],
    [
      'Table of users',
      ((minTasks * READS_A_SECOND * 3600 * HOURS) / 1e6) * PRICES.tableMillionReads +
        ASSUMED.usersGb * PRICES.tableGb
    ],
    [`Images, ${ASSUMED.images} GB`, ASSUMED.images * PRICES.imageGb],
    ...(firewall
      ? ([
          [
            'Firewall',
            PRICES.firewall +
              FIREWALL_RULES * PRICES.firewallRule +
              (requests / 1e6) * PRICES.firewallMillionRequests
          ]
        ] as [string, number][])
      : [])
  ]
}

/** @returns the table, in Markdown */
export function costTable(config: Config): string {
  const parts = monthlyCost(config)
  const total = parts.reduce((sum, [, dollars]) => sum + dollars, 0)
  const rows = parts.map(([part, dollars]) => `| ${part} | ${dollars.toFixed(2)} |`)
  return ['| part | $ a month |', '| --- | ---: |', ...rows, `| **all** | **${total.toFixed(2)}** |`].join(
    '\n'
  )
}

if (process.argv[1] === import.meta.filename) console.log(costTable(await loadConfig()))
