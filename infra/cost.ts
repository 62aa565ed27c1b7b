/** `npx tsx infra/cost.ts [standard | small]`: what the deployment costs a month, as the tables of docs/deployment.md. */
import { BALANCER_IDLE, type Config, checkConfig, loadConfig } from './config.ts'

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
  customMetric: 0.3,
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
  /** Clients that keep their connections open need fewer. */
  connectionsASecond: 1,
  /** Answer and request together, KB. */
  request: 1.5,
  /** Share of the hours with refused calls, in which alone their metric is billed. */
  hoursWithRefusals: 0.1,
  /** A line of the server and what CloudWatch adds, KB. */
  logOfRequest: 0.3,
  /** All images, of which most layers are the same, GB. */
  images: 2,
  /** 10,000 people of eight typings. */
  usersGb: 0.02
}

/** Unless the settings name them. */
const ZONES = 2
const ENDPOINTS = 4
const SECRETS = 3
/** Of every task, to see which users changed. */
const READS_A_SECOND = 1 / 5
/** Eight alarms, two of them of two metrics each. */
const ALARM_METRICS = 10
/** Alarms that a scaling policy makes itself. */
const ALARMS_OF_POLICY = 2
/** New connections a second, open ones, and GB an hour that a unit of the load balancer's capacity has; the most used is billed. */
const CAPACITY_UNIT = { connectionsASecond: 25, openConnections: 3000, gbAnHour: 1 }
const FIREWALL_RULES = 4

type Part = [part: string, dollars: number]

/** @returns each part and what it costs a month, $ */
export function monthlyCost(config: Config): Part[] {
  const { size, architecture, cpu, memory, minTasks, certificateArn, firewall } = config
  const isSmall = size === 'small'
  const zones = config.zones?.length ?? ZONES
  const task = (cpu / 1024) * PRICES.vcpuHour[architecture] + (memory / 1024) * PRICES.gbHour[architecture]
  const requests = ASSUMED.requestsASecond * 3600 * HOURS
  const units = Math.max(
    ASSUMED.connectionsASecond / CAPACITY_UNIT.connectionsASecond,
    (ASSUMED.connectionsASecond * BALANCER_IDLE) / CAPACITY_UNIT.openConnections,
    (ASSUMED.requestsASecond * 3600 * ASSUMED.request) / 1e6 / CAPACITY_UNIT.gbAnHour
  )
  const addresses = isSmall ? zones + minTasks : zones
  const alarmMetrics =
    ALARM_METRICS + (certificateArn === undefined ? 0 : 1) + ALARMS_OF_POLICY * (isSmall ? 1 : 2)
  const logs = (requests * ASSUMED.logOfRequest) / 1e6
  const endpoints: Part = [
    `${ENDPOINTS} endpoints in ${zones} zones, in place of a way to the internet`,
    ENDPOINTS * zones * PRICES.endpointHour * HOURS + logs * PRICES.endpointGb
  ]
  const wall: Part = [
    'Firewall',
    PRICES.firewall + FIREWALL_RULES * PRICES.firewallRule + (requests / 1e6) * PRICES.firewallMillionRequests
  ]
  return [
    [
      `${minTasks} ${minTasks === 1 ? 'task' : 'tasks'} of ${cpu / 1024} vCPU and ${memory / 1024} GB, ${architecture}`,
      minTasks * task * HOURS
    ],
    ['Load balancer', PRICES.balancerHour * HOURS],
    [`Its capacity units by use, ${units.toFixed(2)}`, units * PRICES.balancerUnitHour * HOURS],
    [
      `${addresses} public addresses, of the load balancer${isSmall ? ' and the task' : ''}`,
      addresses * PRICES.addressHour * HOURS
    ],
    ...(isSmall ? [] : [endpoints]),
    [`Logs, ${logs.toFixed(1)} GB`, logs * PRICES.logGb],
    ['Alarms', alarmMetrics * PRICES.alarmMetric + ASSUMED.hoursWithRefusals * PRICES.customMetric],
    ['Keys and the audit’s secret, in three secrets', SECRETS * PRICES.secret],
    [
      'Table of users',
      ((minTasks * READS_A_SECOND * 3600 * HOURS) / 1e6) * PRICES.tableMillionReads +
        ASSUMED.usersGb * PRICES.tableGb
    ],
    [`Images, ${ASSUMED.images} GB`, ASSUMED.images * PRICES.imageGb],
    ...(firewall ? [wall] : [])
  ]
}

/** @returns all of it, $ */
export const totalCost = (config: Config): number =>
  monthlyCost(config).reduce((sum, [, dollars]) => sum + dollars, 0)

/** @returns the table, in Markdown */
export function costTable(config: Config): string {
  const parts = monthlyCost(config)
  const rows = parts.map(([part, dollars]) => `| ${part} | ${dollars.toFixed(2)} |`)
  return [
    '| part | $ a month |',
    '| --- | ---: |',
    ...rows,
    `| **all** | **${totalCost(config).toFixed(2)}** |`
  ].join('\n')
}

if (process.argv[1] === import.meta.filename) {
  const [, , size] = process.argv
  console.log(costTable(size === undefined ? await loadConfig() : checkConfig({ size })))
}
