import { ALERT_NAMES, ALERT_RULES, ALERT_SEVERITIES, type AlertName } from '@fso/shared/api';
import { DEFAULT_LIMITS, readYamlFile, type SourceProblem, valueProblems } from '@fso/shared/decode';
import { messageOf } from '@fso/shared/runtime';
import { z } from 'zod';
import { MATCHED_LABELS, parseMatcher } from '../matchers.ts';
import type { AlertRules } from '../plan-alerts.ts';

/**
 * Schema of the file that `FSO_ALERTS_FILE` names: receivers, routes and rules. The file has no
 * secrets itself, and names files that do.
 */

const UNITS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

const Duration = z
  .string()
  .max(16)
  .regex(/^\d{1,6}[smhd]$/, 'must be a number and a unit: 30s, 10m, 2h, 7d')
  .transform((text) => Number(text.slice(0, -1)) * UNITS[text.slice(-1) as keyof typeof UNITS]);

const Name = z
  .string()
  .max(63)
  .regex(/^[\w.-]+$/, 'must be 1 to 63 letters, digits, and . _ -');
const File = z.string().min(1).max(4_096);

const isBare = (text: string): boolean => {
  const url = URL.parse(text);
  return url !== null && ['https:', 'http:'].includes(url.protocol) && url.username === '' && url.password === '' && url.hash === '';
};
const Url = z.string().max(2_048).refine(isBare, 'must be an https:// or http:// URL without a user and a password');

/** Mail address. None of its characters can end a header. */
const Address = z.email().max(254);

const Matcher = z
  .string()
  .min(1)
  .max(512)
  .transform((text, context) => {
    try {
      return { text, matcher: parseMatcher(text) };
    } catch (error) {
      context.addIssue({ code: 'custom', message: messageOf(error) });
      return z.NEVER;
    }
  });

const Slack = z.strictObject({ urlFile: File });
const PagerDuty = z.strictObject({
  routingKeyFile: File,
  url: Url.default('https://events.pagerduty.com/v2/enqueue'),
});
const Alertmanager = z.strictObject({
  url: Url,
  bearerTokenFile: File.optional(),
  basicAuth: z.strictObject({ username: z.string().min(1).max(255), passwordFile: File }).optional(),
});
const Webhook = z.strictObject({ url: Url.optional(), urlFile: File.optional(), secretFile: File });
const Email = z.strictObject({
  host: z.union([z.hostname(), z.ipv4(), z.ipv6()]),
  port: z.int().min(1).max(65_535).default(587),
  tls: z.enum(['starttls', 'tls', 'none']).default('starttls'),
  from: Address,
  to: z.array(Address).min(1).max(50),
  username: z.string().min(1).max(255).optional(),
  passwordFile: File.optional(),
});

const KINDS = { slack: Slack, pagerduty: PagerDuty, alertmanager: Alertmanager, webhook: Webhook, email: Email };

const Receiver = z
  .strictObject({
    name: Name,
    sendResolved: z.boolean().default(true),
    slack: Slack.optional(),
    pagerduty: PagerDuty.optional(),
    alertmanager: Alertmanager.optional(),
    webhook: Webhook.optional(),
    email: Email.optional(),
  })
  .superRefine((receiver, context) => {
    const given = Object.keys(KINDS).filter((kind) => Object.hasOwn(receiver, kind));
    if (given.length !== 1) context.addIssue({ code: 'custom', message: `must have one of ${Object.keys(KINDS).join(', ')}` });
    const { webhook, email } = receiver;
    if (webhook !== undefined && (webhook.url === undefined) === (webhook.urlFile === undefined))
      context.addIssue({ code: 'custom', path: ['webhook'], message: 'must have url or urlFile' });
    if (email !== undefined && (email.username === undefined) !== (email.passwordFile === undefined))
      context.addIssue({ code: 'custom', path: ['email'], message: 'must have both username and passwordFile, or none' });
  });
/** Settings of a receiver in the alerts file. */
export type ReceiverSettings = z.output<typeof Receiver>;

/** Most receivers and routes of a file. Each of them is examined for each alert. */
const MAX_RECEIVERS = 100;
const MAX_ROUTES = 100;

const GroupBy = z.array(z.enum(MATCHED_LABELS)).max(MATCHED_LABELS.length);

const routeFields = {
  receiver: Name.optional(),
  groupBy: GroupBy.optional(),
  groupWait: Duration.optional(),
  groupInterval: Duration.optional(),
  repeatInterval: Duration.optional(),
};

const routeShape = z.strictObject({
  ...routeFields,
  matchers: z.array(Matcher).min(1).max(16),
  continue: z.boolean().default(false),
});
/** A route below another route in the alerts file. */
export interface SubRoute extends z.output<typeof routeShape> {
  readonly routes?: SubRoute[] | undefined;
}
interface WrittenRoute extends z.input<typeof routeShape> {
  readonly routes?: WrittenRoute[] | undefined;
}
const SubRoute: z.ZodType<SubRoute, WrittenRoute> = routeShape.extend({
  get routes() {
    return z.array(SubRoute).max(MAX_ROUTES).optional();
  },
});

const Route = z.strictObject({ ...routeFields, receiver: Name, routes: z.array(SubRoute).max(MAX_ROUTES).optional() });

const Rules = z.partialRecord(
  z.enum(ALERT_NAMES),
  z.strictObject({ for: Duration.optional(), severity: z.enum(ALERT_SEVERITIES).optional() }),
);

const Document = z.strictObject({
  receivers: z.array(Receiver).min(1).max(MAX_RECEIVERS),
  route: Route,
  rules: Rules.default({}),
});

/** Content of the alerts file. */
export interface AlertsConfig {
  readonly receivers: readonly ReceiverSettings[];
  /** undefined if no receiver is notified. */
  readonly route: z.output<typeof Route> | undefined;
  readonly rules: AlertRules;
}

const rulesOf =
  (rules: z.output<typeof Rules>): AlertRules =>
  (name: AlertName) => ({ forMs: rules[name]?.for ?? ALERT_RULES[name].forSeconds * 1_000, severity: rules[name]?.severity });

/** Configuration without a file: alerts are shown, and no receiver is notified. */
export const NO_RECEIVERS: AlertsConfig = { receivers: [], route: undefined, rules: rulesOf({}) };

type Path = readonly PropertyKey[];

function* receiversOfRoutes(
  route: { readonly receiver?: string | undefined; readonly routes?: readonly SubRoute[] | undefined },
  path: Path,
): Generator<[string, Path]> {
  if (route.receiver !== undefined) yield [route.receiver, [...path, 'receiver']];
  for (const [index, child] of (route.routes ?? []).entries()) yield* receiversOfRoutes(child, [...path, 'routes', index]);
}

/** Finds duplicate names of receivers, and routes to receivers that do not exist. */
const checkNames = ({ receivers, route }: z.output<typeof Document>): { readonly path: Path; readonly reason: string }[] => {
  const names = receivers.map(({ name }) => name);
  const twice = names.flatMap((name, index) =>
    names.indexOf(name) === index
      ? []
      : [{ path: ['receivers', index, 'name'], reason: `receivers[${index}].name is there twice: ${name}` }],
  );
  const unknown = [...receiversOfRoutes(route, ['route'])]
    .filter(([name]) => !names.includes(name))
    .map(([name, path]) => ({ path, reason: `there is no receiver ${name}` }));
  return [...twice, ...unknown];
};

const placed = ({ path, line, column, reason }: SourceProblem): string => `${path}:${line}:${column}: ${reason}`;

/**
 * Reads the text of an alerts file. @returns the configuration, or every problem as
 * `path:line:column: reason`
 */
export const parseAlertsFile = (path: string, text: string): AlertsConfig | { readonly problems: readonly string[] } => {
  const { documents, problems } = readYamlFile({ path, text }, { ...DEFAULT_LIMITS, maxDocumentsPerFile: 1 });
  const [document] = documents;
  if (problems.length > 0) return { problems: problems.map(placed) };
  if (document === undefined) return { problems: [`${path}:1:1: the file is empty`] };
  const parsed = Document.safeParse(document.value);
  const found = parsed.success
    ? checkNames(parsed.data).map((problem) => ({ ...problem, part: 'value' as const }))
    : valueProblems(Document, document.value, parsed.error.issues);
  if (!parsed.success || found.length > 0)
    return { problems: found.map(({ path: at, part, reason }) => placed({ ...document.locate(at, part), reason })) };
  const { receivers, route, rules } = parsed.data;
  return { receivers, route, rules: rulesOf(rules) };
};

/** Paths of the files with secrets that a receiver names. */
export const secretFilesOf = ({ slack, pagerduty, alertmanager, webhook, email }: ReceiverSettings): string[] =>
  [
    slack?.urlFile,
    pagerduty?.routingKeyFile,
    alertmanager?.bearerTokenFile,
    alertmanager?.basicAuth?.passwordFile,
    webhook?.urlFile,
    webhook?.secretFile,
    email?.passwordFile,
  ].filter((file) => file !== undefined);
