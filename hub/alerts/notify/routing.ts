import { canonicalJson, sha256 } from '@fso/shared/encoding';
import type { AlertsConfig, SubRoute } from '../file/alerts-file.ts';
import { type LabelSet, type MatchedLabel, type Matcher, matchesAll } from '../matchers.ts';

/** Route of the alerts file, with the settings that it inherits, as in Alertmanager. */
export interface AlertRoute {
  /** Matchers from the root to this route, so that it does not depend on other routes. */
  readonly id: string;
  readonly receiver: string;
  readonly groupBy: readonly MatchedLabel[];
  readonly groupWaitMs: number;
  readonly groupIntervalMs: number;
  readonly repeatIntervalMs: number;
}

interface Node {
  readonly route: AlertRoute;
  readonly matchers: readonly Matcher[];
  readonly continues: boolean;
  readonly children: readonly Node[];
}

/** Defaults of Alertmanager, except for the grouping: one message for each kind of alert. */
const DEFAULTS = { groupBy: ['name'], groupWaitMs: 30_000, groupIntervalMs: 5 * 60_000, repeatIntervalMs: 4 * 3_600_000 } as const;

type Fields = Pick<SubRoute, 'receiver' | 'groupBy' | 'groupWait' | 'groupInterval' | 'repeatInterval'>;

const inherit = (parent: Omit<AlertRoute, 'id' | 'receiver'> & { readonly receiver: string }, fields: Fields, id: string): AlertRoute => ({
  id,
  receiver: fields.receiver ?? parent.receiver,
  groupBy: fields.groupBy ?? parent.groupBy,
  groupWaitMs: fields.groupWait ?? parent.groupWaitMs,
  groupIntervalMs: fields.groupInterval ?? parent.groupIntervalMs,
  repeatIntervalMs: fields.repeatInterval ?? parent.repeatIntervalMs,
});

const nodeOf = (parent: AlertRoute, { matchers, continue: continues, routes = [], ...fields }: SubRoute): Node => {
  const id = `${parent.id}/{${matchers.map(({ text }) => text).join(',')}}`;
  const route = inherit(parent, fields, id);
  return { route, matchers: matchers.map(({ matcher }) => matcher), continues, children: routes.map((child) => nodeOf(route, child)) };
};

/**
 * Routes of an alert below a node that matches: the matching children in their order, up to one
 * that does not continue, else the node itself.
 */
const routesBelow = ({ route, children }: Node, labels: LabelSet): readonly AlertRoute[] => {
  const found: AlertRoute[] = [];
  for (const child of children) {
    if (!matchesAll(child.matchers, labels)) continue;
    found.push(...routesBelow(child, labels));
    if (!child.continues) break;
  }
  return found.length > 0 ? found : [route];
};

/** A group of alerts that are notified together. */
export interface GroupPlace {
  /** 32 hexadecimal digits that depend only on the route, the receiver and the labels. */
  readonly key: string;
  readonly route: AlertRoute;
  readonly labels: LabelSet;
}

const placeOf = (route: AlertRoute, labels: LabelSet): GroupPlace => {
  const by = Object.fromEntries(route.groupBy.map((label) => [label, labels[label] ?? ''])) as LabelSet;
  return { key: sha256(canonicalJson([route.id, route.receiver, by])).slice(0, 32), route, labels: by };
};

/**
 * Creates the routing of an alerts file.
 *
 * @returns the groups that an alert with these labels belongs to; none without a file
 */
export const createRouting = ({ route }: Pick<AlertsConfig, 'route'>): ((labels: LabelSet) => readonly GroupPlace[]) => {
  if (route === undefined) return () => [];
  const { routes = [], ...fields } = route;
  const top = inherit({ ...DEFAULTS, receiver: route.receiver }, fields, '');
  const root: Node = { route: top, matchers: [], continues: false, children: routes.map((child) => nodeOf(top, child)) };
  return (labels) => routesBelow(root, labels).map((found) => placeOf(found, labels));
};
