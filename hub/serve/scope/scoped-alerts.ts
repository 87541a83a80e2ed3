import type { AlertCounts, AlertView, SilenceView } from '@fso/shared/api';
import { fixedTexts } from '../../alerts/index.ts';
import { ApiError } from '../http/problems.ts';
import type { BroadcastDeps } from '../live/broadcast.ts';
import type { AlertDeps } from '../routes/alerts/alert-routes.ts';
import type { SilenceDeps } from '../routes/alerts/silence-routes.ts';
import type { ScopedLedger } from './scoped-ledger.ts';
import { withholdAlert } from './withhold.ts';

/** Access to alerts that can be restricted to a scope. */
export type AlertAccess = AlertDeps['alerts'] & SilenceDeps['alerts'] & BroadcastDeps['alerts'];

/**
 * Refuses a silence outside of the caller's scope. The text does not reveal whether the cluster
 * exists.
 *
 * @throws ApiError `forbidden`
 */
const refuseSilence = (matchers: readonly string[]): never => {
  const [cluster] = fixedTexts(matchers, 'cluster');
  throw new ApiError(
    'forbidden',
    cluster === undefined
      ? 'Your role is for a part of the fleet: a silence needs a matcher of the form cluster="name" for a cluster of it.'
      : `The cluster ${cluster} is outside of your scope: a silence needs your role for every policy in it, or for the policy that a matcher of the form policy="name" names.`,
  );
};

const refuseEnd = (id: string): never => {
  throw new ApiError('forbidden', `The silence ${id} is outside of your scope, or does not exist: ask those who see the whole fleet.`);
};

const countAlerts = (alerts: readonly AlertView[]): AlertCounts => {
  const counts = { critical: 0, warning: 0, info: 0, silenced: 0 };
  for (const { state, severity } of alerts) {
    if (state === 'silenced') counts.silenced += 1;
    else if (state === 'firing') counts[severity] += 1;
  }
  return counts;
};

/**
 * Restricts alerts to the visible part of the fleet: alerts of a policy in a cluster, of a cluster
 * that is visible as a whole, and of a policy in Git. Alerts of the hub are hidden. A caller sees,
 * creates and ends silences whose matchers are within the scope. Alerts that others silence are
 * shown as silenced.
 */
export const scopeAlerts = (alerts: AlertAccess, ledger: ScopedLedger): AlertAccess => {
  const list = async (): Promise<AlertView[]> => {
    const { desired, visibility } = await ledger.state();
    const inGit = new Set(desired?.set.policies.map(({ document }) => document.metadata.name));
    // An alert about all clusters needs visibility of all of them.
    const isOfGit = (name: string, policy = ''): boolean =>
      inGit.has(policy) && (name !== 'PolicyNotProven' || visibility.seesEverywhere(policy));
    const seen: AlertView[] = [];
    for (const alert of await alerts.list()) {
      const { cluster, policy } = alert.labels;
      const isSeen = cluster === undefined ? isOfGit(alert.name, policy) : await ledger.sees(cluster, policy);
      if (isSeen) seen.push(withholdAlert(alert));
    }
    return seen;
  };
  const isWithin = async (matchers: readonly string[]): Promise<boolean> => {
    for (const cluster of fixedTexts(matchers, 'cluster'))
      for (const policy of [undefined, ...fixedTexts(matchers, 'policy')]) if (await ledger.sees(cluster, policy)) return true;
    return false;
  };
  const silences = async (): Promise<SilenceView[]> => {
    const seen: SilenceView[] = [];
    for (const silence of await alerts.silences()) if (await isWithin(silence.matchers)) seen.push(silence);
    return seen;
  };
  return {
    compareWithSilences: () => alerts.compareWithSilences(),
    list,
    counts: async () => countAlerts(await list()),
    subscribe: (handler) => {
      const end = alerts.subscribe(handler);
      if (ledger.ended.aborted) end();
      else ledger.ended.addEventListener('abort', end, { once: true });
      return end;
    },
    silences,
    silence: async (request, author) => {
      if (!(await isWithin(request.matchers))) refuseSilence(request.matchers);
      return alerts.silence(request, author);
    },
    endSilence: async (id) => {
      if (!(await silences()).some((silence) => silence.id === id)) refuseEnd(id);
      return alerts.endSilence(id);
    },
  };
};
