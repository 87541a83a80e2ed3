import { z } from 'zod';
import type { Route } from '../../http/route.ts';
import { OLD_REVISION, REVISION } from '../../testing/fleet.ts';

/**
 * Calls of every route, made from the route table: of a route that comes, its parameters are known
 * by their schemas, or it has no example.
 */

/** Names of the marked fleet that are not in every scope. */
const HIDDEN = ['us-xcluster', 'payroll-xpolicy', 'audit-xboth', 'xglobal'];
/** A name that is nowhere. */
export const NOWHERE = 'no-such-name';

/**
 * Values of path parameters by the part of the path that they stand in. The first one is in every
 * scope that has any.
 */
const PATHS: Readonly<Record<string, readonly string[]>> = {
  '/clusters/{name}': ['eu-1', 'eu-2', 'retired-xcluster', ...HIDDEN, NOWHERE],
  '/policies/{name}': ['finance', ...HIDDEN, NOWHERE],
  '/policy-details/{name}': ['finance', ...HIDDEN, NOWHERE],
  '/policy-sources/{name}': ['finance', 'audit-xboth'],
  '/policy-histories/{name}': ['finance', 'audit-xboth'],
  '/{namespace}/{name}': ['finance/own-local', 'team-xpolicy/own-xpolicy', 'team-xboth/own-xboth', `${NOWHERE}/${NOWHERE}`],
  '/{revision}': [REVISION, OLD_REVISION, NOWHERE],
  '/{sequence}': ['1'],
  '/plans/{id}': ['0123456789abcdef01234567'],
  '/{id}': ['0123456789abcdef'],
};

/** Request for a route, about one parameter. */
export interface Call {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** The parameter that this call is about. */
  readonly field: string;
  readonly value: string;
}

/** The path of a URL, with its query. */
export const urlOf = ({ path, query }: Call): string => {
  const text = new URLSearchParams(query).toString();
  return text === '' ? path : `${path}?${text}`;
};

interface Field {
  readonly name: string;
  readonly choices: readonly string[] | undefined;
  readonly isNeeded: boolean;
}

const fieldsOf = ({ query }: Route): readonly Field[] => {
  if (query === undefined) return [];
  const { properties = {}, required = [] } = z.toJSONSchema(query, { io: 'input', unrepresentable: 'any' });
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    choices: (schema as { enum?: readonly string[] }).enum,
    isNeeded: required.includes(name),
  }));
};

const NEEDED: Readonly<Record<string, string>> = {
  policy: 'finance',
  by: 'policy',
  port: '4000',
  challenge: 'c'.repeat(43),
  state: 's'.repeat(16),
};

const exampleOf = (name: string, { path }: Route): string => {
  const value = NEEDED[name];
  if (value === undefined) throw new Error(`give an example for ${name} of ${path} in ${import.meta.filename}`);
  return value;
};

const leastQuery = (route: Route): Record<string, string> =>
  Object.fromEntries(fieldsOf(route).flatMap(({ name, isNeeded }) => (isNeeded ? [[name, exampleOf(name, route)]] : [])));

/**
 * A route with each example of its path, and the least that it has to be asked with. @throws Error
 * where there is no example
 */
export const callsOf = (route: Route): readonly Call[] => {
  const part = Object.keys(PATHS).find((each) => route.path.includes(each)) ?? '';
  const prefix = part.slice(0, part.indexOf('{'));
  const query = leastQuery(route);
  const calls = (PATHS[part] ?? ['']).map((value) => ({
    path: part === '' ? route.path : route.path.replace(part, prefix + value.split('/').map(encodeURIComponent).join('/')),
    query,
    field: 'path',
    value,
  }));
  const open = calls.find(({ path }) => path.includes('{'));
  if (open !== undefined) throw new Error(`give an example for ${open.path} in ${import.meta.filename}`);
  return calls;
};

/** Bodies of calls that change something in a cluster, by operation; of the others any will do. */
export const bodyOf = ({ operationId }: Route, cluster: string): object => {
  if (operationId === 'createToken') return { name: 'ci', role: 'viewer' };
  if (operationId !== 'createSilence') return {};
  return { matchers: [`cluster="${cluster}"`, 'name="CertificateExpiring"'], until: new Date(Date.now() + 3_600_000), reason: 'known' };
};

/** Parameters that name something. */
const TEXTS = ['q', 'cluster', 'policy', 'namespace', 'region', 'kind', 'name', 'team'];

const valuesOf = ({ name, choices }: Field): readonly string[] =>
  choices ?? (TEXTS.includes(name) ? [...HIDDEN, NOWHERE] : ['true', 'false', '1']);

/**
 * A route with each of its parameters by itself: every order and choice, and each text by what may
 * be hidden.
 */
export const queriesOf = (route: Route): readonly Call[] => {
  const [first] = callsOf(route);
  if (first === undefined) return [];
  return fieldsOf(route).flatMap((field) =>
    valuesOf(field).map((value) => ({ ...first, query: { ...first.query, [field.name]: value }, field: field.name, value })),
  );
};

/**
 * Normalizes an answer: removes what differs from call to call, and what was asked for, which it
 * may repeat.
 */
export const comparable = (text: string, ...said: readonly string[]): string =>
  said
    .flatMap((name) => name.split('/'))
    .filter((name) => name !== '')
    // A name can be a part of another.
    .sort((left, right) => right.length - left.length)
    .reduce(
      (rest, name) => rest.replaceAll(name, NOWHERE),
      text.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z|\d{8}T\d{6}Z|(date|content-length): .*/gi, ''),
    );

/** Names in the path and the query of a call. */
export const saidIn = ({ path, query }: Call): readonly string[] => [
  ...path.split('/').slice(4).map(decodeURIComponent),
  ...Object.values(query),
];
