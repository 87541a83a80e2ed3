import { type KubeObject, type LabelSelector, NAMESPACE_KEYS } from '@fso/shared/api';
import { matchesSelector } from '@fso/shared/decode';
import { VALIDATING_WEBHOOK_CONFIGURATION_KIND, type ValidatingWebhookConfiguration } from '@fso/shared/kube';
import { weakMemo, weakMemo2 } from '@fso/shared/runtime';
import { isPlain, type Plain } from '../../compare.ts';
import type { GatekeeperProblem } from './gatekeeper-problems.ts';

/** Name of the configuration in Gatekeeper's manifest and in its chart. */
export const WEBHOOK_CONFIGURATION_NAME = 'gatekeeper-validating-webhook-configuration';

/** Name of the webhook that judges constraints. */
const WEBHOOK_NAME = 'validation.gatekeeper.sh';

/**
 * Label that exempts a namespace from Gatekeeper
 * (https://open-policy-agent.github.io/gatekeeper/website/docs/exempt-namespaces/).
 */
export const GATEKEEPER_IGNORE = 'admission.gatekeeper.sh/ignore';

/** Labels and annotations of namespaces that the agent keeps in its cache. */
export const READ_NAMESPACE_KEYS: readonly string[] = [...NAMESPACE_KEYS, GATEKEEPER_IGNORE];

/** Label with the namespace's name, which the API server sets and maintains. */
const NAME_LABEL = 'kubernetes.io/metadata.name';

const KNOWN_LABELS: ReadonlySet<string> = new Set([...READ_NAMESPACE_KEYS, NAME_LABEL]);

const SUBJECT = `${VALIDATING_WEBHOOK_CONFIGURATION_KIND.kind} ${WEBHOOK_CONFIGURATION_NAME}`;

/** Waiting does not help: only the owner of Gatekeeper changes its configuration. */
const broken = (message: string): GatekeeperProblem => ({ message, isError: true });

/** Problem of a cluster whose API server never calls Gatekeeper. */
export const WEBHOOK_CONFIGURATION_GONE: GatekeeperProblem = broken(
  `${SUBJECT} is gone: apply Gatekeeper's manifest again; meanwhile requests pass without it`,
);

/** Requirement of a label selector. The selector matches if all its requirements do. */
interface Requirement {
  /** Path within the selector. */
  readonly at: string;
  /** Selector with this requirement alone; undefined if the API server would not accept it. */
  readonly selector: LabelSelector | undefined;
  readonly key: string;
}

interface Webhook {
  /** Path within the configuration, for messages. */
  readonly at: string;
  readonly fields: Plain;
  /** Requirements of the namespaceSelector; undefined if it cannot be read. */
  readonly requirements: readonly Requirement[] | undefined;
}

const readWebhook = weakMemo(({ webhooks }: ValidatingWebhookConfiguration): Webhook | undefined => {
  const entries: readonly unknown[] = Array.isArray(webhooks) ? webhooks : [];
  const index = entries.findIndex((entry) => isPlain(entry) && entry['name'] === WEBHOOK_NAME);
  const fields = entries[index];
  if (!isPlain(fields)) return undefined;
  return { at: `webhooks[${index}] (${WEBHOOK_NAME})`, fields, requirements: readSelector(fields['namespaceSelector']) };
});

/** @returns undefined if it is not a label selector */
const readSelector = (selector: unknown): readonly Requirement[] | undefined => {
  if (!isPlain(selector ?? {})) return undefined;
  const { matchLabels, matchExpressions } = (selector ?? {}) as Plain;
  const [labels, expressions] = [matchLabels ?? {}, matchExpressions ?? []];
  if (!isPlain(labels) || !Array.isArray(expressions)) return undefined;
  return [...Object.entries(labels).map(readLabel), ...expressions.map(readExpression)];
};

const readLabel = ([key, value]: readonly [string, unknown]): Requirement => ({
  at: `matchLabels[${JSON.stringify(key)}]`,
  key,
  selector: typeof value === 'string' ? { matchLabels: { [key]: value } } : undefined,
});

type Expression = NonNullable<LabelSelector['matchExpressions']>[number];

const OPERATORS: ReadonlySet<unknown> = new Set<Expression['operator']>(['In', 'NotIn', 'Exists', 'DoesNotExist']);

const readExpression = (expression: unknown, index: number): Requirement => {
  const { key, operator, values } = isPlain(expression) ? expression : {};
  const at = `matchExpressions[${index}]`;
  if (typeof key !== 'string' || !OPERATORS.has(operator) || !isTexts(values ?? [])) return { at, key: '', selector: undefined };
  const read = { key, operator, values: values ?? [] } as Expression;
  return { at, key, selector: { matchExpressions: [read] } };
};

const isTexts = (values: unknown): values is readonly string[] =>
  Array.isArray(values) && values.every((value) => typeof value === 'string');

/** Request that lock 2 judges. */
interface JudgedRequest {
  readonly operation: 'CREATE' | 'UPDATE';
  readonly resource: string;
}

const POD_REQUESTS: readonly JudgedRequest[] = [
  { operation: 'CREATE', resource: 'pods' },
  { operation: 'UPDATE', resource: 'pods' },
];
/** A pod is bound by its subresource, or by the older resource `bindings`. */
const BINDING_REQUESTS: readonly JudgedRequest[] = [
  { operation: 'CREATE', resource: 'pods/binding' },
  { operation: 'CREATE', resource: 'bindings' },
];

const includesAny = (list: unknown, values: readonly string[]): boolean =>
  Array.isArray(list) && list.some((item) => values.includes(item));

/**
 * Whether a resource pattern matches. `*` stands for all resources without subresources, `pods/*`
 * for pods and their subresources.
 */
const isResource = (pattern: unknown, resource: string): boolean => {
  if (typeof pattern !== 'string') return false;
  const [wanted = '', wantedPart = ''] = pattern.split('/', 2);
  const [name = '', part = ''] = resource.split('/', 2);
  return ['*', name].includes(wanted) && ['*', part].includes(wantedPart);
};

/**
 * @see
 * https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#matching-requests-rules
 */
const covers = (rule: unknown, { operation, resource }: JudgedRequest): boolean => {
  if (!isPlain(rule)) return false;
  const { operations, apiGroups, apiVersions, resources, scope } = rule;
  return (
    includesAny(operations, ['*', operation]) &&
    includesAny(apiGroups, ['*', '']) &&
    includesAny(apiVersions, ['*', 'v1']) &&
    Array.isArray(resources) &&
    resources.some((pattern) => isResource(pattern, resource)) &&
    ['*', 'Namespaced'].includes((scope as string | undefined) ?? '*')
  );
};

const isEmptyValue = (value: unknown): boolean =>
  value === undefined || value === null || (typeof value === 'object' && Object.keys(value).length === 0);

const isEmptySelector = (selector: unknown): boolean =>
  isEmptyValue(selector) || (isPlain(selector) && Object.values(selector).every(isEmptyValue));

const findRuleProblem = (rules: unknown, judgesBindings: boolean): string | undefined => {
  const list: readonly unknown[] = Array.isArray(rules) ? rules : [];
  const requests = judgesBindings ? [...POD_REQUESTS, ...BINDING_REQUESTS] : POD_REQUESTS;
  const missing = requests.find((request) => !list.some((rule) => covers(rule, request)));
  if (missing === undefined) return undefined;
  const { operation, resource } = missing;
  return `rules leave out ${operation} of ${resource}: add a rule with apiGroups [""], apiVersions ["v1"], operations ["${operation}"], resources ["${resource}"]`;
};

const findSelectorProblem = (requirements: Webhook['requirements']): string | undefined => {
  if (requirements === undefined) return 'namespaceSelector cannot be read: remove it';
  const strange = requirements.find(({ selector, key }) => selector === undefined || !KNOWN_LABELS.has(key));
  if (strange === undefined) return undefined;
  const { at, selector, key } = strange;
  const why =
    selector === undefined
      ? 'cannot be read'
      : `selects namespaces by their label ${key}, which the agent does not read, so that any may be left out`;
  return `namespaceSelector.${at} ${why}: remove it`;
};

/** Finds the reason why the API server may not call Gatekeeper for all pods of all namespaces. */
export const findWebhookProblem = (configuration: ValidatingWebhookConfiguration, judgesBindings: boolean): GatekeeperProblem | undefined =>
  (judgesBindings ? problemWithBindings : problemWithoutBindings)(configuration);

const problemOf = (configuration: ValidatingWebhookConfiguration, judgesBindings: boolean): GatekeeperProblem | undefined => {
  const webhook = readWebhook(configuration);
  if (webhook === undefined) return broken(`${SUBJECT}: webhooks has no ${WEBHOOK_NAME}: apply Gatekeeper's manifest again`);
  const { at, fields, requirements } = webhook;
  const problem = findProblem(fields, requirements, judgesBindings);
  return problem === undefined ? undefined : broken(`${SUBJECT}: ${at}.${problem}`);
};

const problemWithBindings = weakMemo((configuration: ValidatingWebhookConfiguration) => problemOf(configuration, true));
const problemWithoutBindings = weakMemo((configuration: ValidatingWebhookConfiguration) => problemOf(configuration, false));

const findProblem = (fields: Plain, requirements: Webhook['requirements'], judgesBindings: boolean): string | undefined => {
  if (!isEmptySelector(fields['objectSelector'])) return 'objectSelector selects only some pods: remove it';
  if (!isEmptyValue(fields['matchConditions'])) return 'matchConditions leave out some requests: remove them';
  return findRuleProblem(fields['rules'], judgesBindings) ?? findSelectorProblem(requirements);
};

/**
 * Finds the reason why the webhook is not called for one namespace.
 *
 * @param namespace with the labels of {@link READ_NAMESPACE_KEYS}, if present
 */
export const findExclusion: (configuration: ValidatingWebhookConfiguration, namespace: KubeObject) => GatekeeperProblem | undefined =
  weakMemo2((configuration, { metadata: { name, labels } }) => {
    const { at, requirements = [] } = readWebhook(configuration) ?? { at: '' };
    const known = { ...labels, [NAME_LABEL]: name };
    const failed = requirements.find(({ selector, key }) => KNOWN_LABELS.has(key) && selector && !matchesSelector(selector, known));
    if (failed === undefined) return undefined;
    const where = `${SUBJECT}: ${at}.namespaceSelector.${failed.at}`;
    return broken(`namespace ${name}: ${where} leaves it out: ${remedyOf(failed, known)}`);
  });

const remedyOf = ({ key }: Requirement, labels: Readonly<Record<string, string>>): string =>
  key === GATEKEEPER_IGNORE && Object.hasOwn(labels, key)
    ? `take the label ${GATEKEEPER_IGNORE} off the namespace`
    : 'change it so that it selects the namespace';
