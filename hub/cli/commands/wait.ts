import { setTimeout as delay } from 'node:timers/promises';
import type { ClusterView, SourceView } from '@fso/shared/api';
import { shortRevision } from '@fso/shared/text';
import type { HubClient } from '../client/api-client.ts';
import { HubError } from '../client/hub-requests.ts';
import type { Context } from '../context.ts';
import { CliError, EXIT } from '../errors.ts';

/**
 * Goal of the wait: every agent has accepted the revision, or every policy of it is proven
 * enforced.
 */
type Goal = 'accepted' | 'proven';

/** State that `fso wait` waits for: a commit that clusters have accepted or proven. */
export interface Wanted {
  /** Commit id or a prefix of it. */
  readonly revision: string;
  readonly goal: Goal;
  readonly cluster?: string | undefined;
  /**
   * Revisions that came into force after the wanted one during the wait. Each of them includes it.
   */
  readonly later: ReadonlySet<string>;
}

interface Missing {
  readonly cluster: string;
  readonly reason: string;
}

type Progress =
  | { readonly state: 'done'; readonly clusters: number }
  | { readonly state: 'refused'; readonly reason: string }
  | { readonly state: 'waiting'; readonly reason: string; readonly missing: readonly Missing[] };

const has = (wanted: Wanted, revision: string | null): boolean =>
  revision !== null && (revision.startsWith(wanted.revision) || wanted.later.has(revision));

const place = ({ path, line, column }: { path?: string | undefined; line?: number | undefined; column?: number | undefined }): string =>
  path === undefined ? '' : `${[path, line, column].filter((part) => part !== undefined).join(':')}: `;

const acceptedText = ({ revision, waitsFor }: ClusterView): string =>
  `has accepted ${shortRevision(revision)}${waitsFor === undefined ? '' : `, and waits for wave ${waitsFor.wave}`}`;

const reasonOf = (wanted: Wanted, cluster: ClusterView): string | undefined => {
  if (cluster.connection !== 'Connected') return `is not connected (${cluster.connection})`;
  if (cluster.nack !== null && has(wanted, cluster.nack.revision)) {
    const [first] = cluster.nack.reasons;
    return `refused the revision${first === undefined ? '' : `: ${place(first)}${first.reason}`}`;
  }
  if (!has(wanted, cluster.revision)) return acceptedText(cluster);
  if (wanted.goal === 'accepted' || has(wanted, cluster.provenRevision)) return undefined;
  if (cluster.notObserved !== null) return `is not observed (${cluster.notObserved.what.join(', ')})`;
  const { active, total, failed } = cluster.policies;
  return `has proven ${shortRevision(cluster.provenRevision)}; ${active} of ${total} policies active${failed > 0 ? `, ${failed} failed` : ''}`;
};

/**
 * Returns the clusters to wait for: the named one, or all registered ones. An unregistered cluster
 * has no regions and should have no policies.
 */
const concerned = (wanted: Wanted, clusters: readonly ClusterView[]): ClusterView[] =>
  clusters.filter(({ name, regions }) => (wanted.cluster === undefined ? regions.length > 0 : name === wanted.cluster));

/** Determines the progress of the fleet towards the goal. Pure. */
export const planWait = (wanted: Wanted, source: SourceView, clusters: readonly ClusterView[]): Progress => {
  const { rejected } = source;
  if (rejected?.commit.revision.startsWith(wanted.revision)) {
    const [first] = rejected.problems;
    return {
      state: 'refused',
      reason: first === undefined ? 'the hub refused the commit' : `the hub refused the commit: ${place(first)}${first.reason}`,
    };
  }
  const rows = concerned(wanted, clusters);
  const missing = rows.flatMap((cluster): Missing[] => {
    const reason = reasonOf(wanted, cluster);
    return reason === undefined ? [] : [{ cluster: cluster.name, reason }];
  });
  if (rows.length > 0 && missing.length === 0) return { state: 'done', clusters: rows.length };
  if (wanted.cluster !== undefined && rows.length === 0)
    return { state: 'waiting', reason: `the hub knows no cluster ${wanted.cluster}`, missing: [] };
  const known = has(wanted, source.revision?.revision ?? null);
  const summary = `${wanted.goal} in ${rows.length - missing.length} of ${rows.length} clusters`;
  return { state: 'waiting', reason: known ? summary : `the hub is at ${shortRevision(source.revision?.revision)}`, missing };
};

/** Options of `fso wait`. */
export interface WaitOptions {
  /** Commit id, a prefix of it, or HEAD for the hub's current commit. */
  readonly revision: string;
  readonly for: Goal;
  readonly cluster?: string;
  /** Timeout in milliseconds. */
  readonly timeout: number;
}

const RECONNECT_MS = 250;

/**
 * Remembers revisions that came into force after the wanted one. Only their observed order tells
 * which is later.
 */
const createObserver = (options: WaitOptions) => {
  let revision = options.revision === 'HEAD' ? undefined : options.revision;
  let seenInForce = false;
  const later = new Set<string>();
  return async (hub: HubClient, signal: AbortSignal): Promise<Progress> => {
    const [source, clusters] = await Promise.all([hub.source(signal), hub.clusters({}, signal)]);
    const inForce = source.revision?.revision;
    revision ??= inForce;
    if (revision === undefined) return { state: 'waiting', reason: 'the hub has not read its repository yet', missing: [] };
    if (inForce?.startsWith(revision)) seenInForce = true;
    else if (seenInForce && inForce !== undefined) later.add(inForce);
    return planWait({ revision, goal: options.for, cluster: options.cluster, later }, source, clusters);
  };
};

/** Events that can indicate progress. */
const RELEVANT: ReadonlySet<string> = new Set(['source', 'cluster', 'status', 'reset']);

/** Checks again after every relevant event of the hub, until the goal is reached or refused. */
const follow = async (hub: HubClient, look: () => Promise<Progress>, signal: AbortSignal): Promise<Progress> => {
  for await (const { event } of hub.stream({}, signal)) {
    if (!RELEVANT.has(event)) continue;
    const progress = await look();
    if (progress.state !== 'waiting') return progress;
  }
  return look();
};

const nameOf = (revision: string): string => (revision === 'HEAD' ? revision : shortRevision(revision));

const explain = (progress: Progress | undefined): string => {
  if (progress === undefined) return 'the hub gave no answer';
  if (progress.state !== 'waiting') return progress.state;
  return [progress.reason, ...progress.missing.map(({ cluster, reason }) => `  ${cluster} ${reason}`)].join('\n');
};

/**
 * Creates a progress line that is overwritten in a terminal. Otherwise each change is printed on
 * its own line.
 */
const createProgressLine = ({ interactive, progress }: Context) => {
  let last = '';
  return {
    show: (text: string): void => {
      if (text === last) return;
      last = text;
      progress(interactive ? `\r\u001b[K${text}` : `${text}\n`);
    },
    clear: (): void => {
      if (interactive && last !== '') progress('\r\u001b[K');
    },
  };
};

const isLasting = (error: unknown): boolean => error instanceof HubError && error.status >= 400 && error.status < 500;

/**
 * Runs `fso wait`: ends when every cluster has the revision. Throws a CliError with exit code 1 if
 * it is refused or the time is over.
 */
export const wait = async (context: Context, options: WaitOptions): Promise<void> => {
  const hub = await context.connect();
  const line = createProgressLine(context);
  const observe = createObserver(options);
  const timeout = AbortSignal.timeout(options.timeout);
  const begin = performance.now();
  let last: Progress | undefined;
  const look = async (): Promise<Progress> => {
    last = await observe(hub, timeout);
    if (last.state === 'waiting')
      line.show(`${last.reason}${last.missing.length > 0 ? `, waiting for ${last.missing.map(({ cluster }) => cluster).join(', ')}` : ''}`);
    return last;
  };
  const attempt = async (): Promise<Progress | undefined> => {
    try {
      return await follow(hub, look, timeout);
    } catch (error) {
      // A hub that restarts comes back. Missing access, and a hub that never answered, are reported
      // at once.
      if (!timeout.aborted && (isLasting(error) || last === undefined)) throw error;
      return undefined;
    }
  };
  for (;;) {
    const progress = await attempt();
    if (progress?.state === 'done') {
      line.clear();
      const seconds = ((performance.now() - begin) / 1000).toFixed(1);
      return context.out(
        `${nameOf(options.revision)} is ${options.for} in ${progress.clusters} of ${progress.clusters} clusters (waited ${seconds} s)\n`,
      );
    }
    if (progress?.state === 'refused') {
      line.clear();
      throw new CliError(progress.reason, EXIT.negative);
    }
    if (timeout.aborted) {
      line.clear();
      throw new CliError(
        `${nameOf(options.revision)} is not ${options.for} within ${options.timeout / 1000} s: ${explain(last)}`,
        EXIT.negative,
      );
    }
    await delay(RECONNECT_MS, undefined, { signal: timeout }).catch(() => undefined);
  }
};
