import type { AnsweredPreview, ClusterPreview, PreviewedOwner } from '@fso/shared/api';
import type { ClusterWorkloads, NotAnsweredReason, WorkloadClass, Workloads } from '@fso/shared/effects';
import { byText, groupBy } from '@fso/shared/encoding';
import { answerWithin, type Clock, mapConcurrently } from '@fso/shared/runtime';
import type { NoPreview } from '../delivery/index.ts';
import type { ClusterQuestion, NotAsked } from './cluster-questions.ts';

/** Agents that are asked at the same time, and bytes of questions that are on their way to them. */
const AT_ONCE = { agents: 32, bytes: 32 * 1024 * 1024 };
/** Time in which all agents are asked, in milliseconds; then the others are named. */
const ASKING_MS = 30_000;

const MESSAGES: Readonly<Record<NotAnsweredReason, string>> = {
  Off: 'their agents answer no plans (FSO_PREVIEW=off)',
  Busy: 'their agents are busy',
  TooMany: 'their agents have answered 30 plans within the hour',
  OtherList: 'their agents do not have the policies of the commit in force',
  NotObserved: 'what their agents know of them is out of date',
  Invalid: 'their agents do not take the changed policies; they may be older',
  TooLarge: 'the change is too large for one question',
  GaveUp: 'their agents needed the time to enforce',
  NotConnected: 'no agent of them is connected',
  NoAnswer: 'their agents are connected and did not answer, or not in time',
  NotAsked: 'there was no time left to ask them, or another hub has their streams and the question is too large to be passed on',
  OutOfScope: 'the change concerns more of them than you see',
};

/** Asks the agent of a cluster what a change would do. */
export interface PreviewingAgents {
  preview(cluster: string, question: string): Promise<ClusterPreview | NoPreview>;
}

interface Answer {
  readonly cluster: string;
  readonly names: ClusterQuestion['names'];
  readonly answer: ClusterPreview | NoPreview;
}

/** The policies of an owner that the caller sees; undefined: none, and so not the owner. */
const seenOwner = (owner: PreviewedOwner, names: ReadonlyMap<string, string>): PreviewedOwner | undefined => {
  const policies = owner.policies.flatMap((policy) => names.get(policy) ?? []);
  return policies.length === 0 ? undefined : { ...owner, policies };
};

/** The part of an answer that the caller sees. */
const seenClass = (whole: AnsweredPreview['outside'], names: ClusterQuestion['names']): WorkloadClass => {
  if (names === null) return whole;
  const { begins, ends, owners } = whole;
  return { now: null, after: null, begins, ends, ...(owners && { owners: owners.flatMap((owner) => seenOwner(owner, names) ?? []) }) };
};

const workloadsOf = (cluster: string, answer: AnsweredPreview, names: ClusterQuestion['names']): ClusterWorkloads => {
  const { observedAt, lookedAt, omitted } = answer;
  const whole = names === null ? { lookedAt, omitted } : { lookedAt: null, omitted: null };
  return {
    cluster,
    observedAt,
    ...whole,
    outside: seenClass(answer.outside, names),
    refused: seenClass(answer.refused, names),
    pending: seenClass(answer.pending, names),
  };
};

const reasonOf = (answer: ClusterPreview | NoPreview): NotAnsweredReason | undefined => {
  if (typeof answer === 'string') return answer;
  return answer.state === 'NotAnswered' ? answer.reason : undefined;
};

/** Joins answers. Clusters without one are named, by reason. Pure. */
export const joinAnswers = (answers: readonly Answer[], notAsked: NotAsked): Workloads => {
  const unanswered = answers.flatMap(({ cluster, answer }) => {
    const reason = reasonOf(answer);
    return reason === undefined ? [] : [{ cluster, reason }];
  });
  const missing = [...[...notAsked].map(([cluster, reason]) => ({ cluster, reason })), ...unanswered];
  return {
    clusters: answers
      .flatMap(({ cluster, answer, names }) =>
        typeof answer !== 'string' && answer.state === 'Answered' ? [workloadsOf(cluster, answer, names)] : [],
      )
      .sort((left, right) => byText(left.cluster, right.cluster)),
    notAnswered: [...groupBy(missing, ({ reason }) => reason)]
      .map(([reason, those]) => ({ clusters: those.map(({ cluster }) => cluster).sort(byText), reason, message: MESSAGES[reason] }))
      .sort((left, right) => byText(left.reason, right.reason)),
  };
};

/** Asks agents, some at a time. @throws the signal's reason */
export const askAgents = async (
  questions: readonly ClusterQuestion[],
  agents: PreviewingAgents,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<readonly Answer[]> => {
  const until = clock.monotonicMs() + ASKING_MS;
  const calls = questions.flatMap(({ clusters, text, names }) => clusters.map((cluster) => ({ cluster, text, names })));
  const largest = Math.max(1, ...questions.map(({ text }) => text.length));
  const limit = Math.max(1, Math.min(AT_ONCE.agents, Math.floor(AT_ONCE.bytes / largest)));
  return mapConcurrently(calls, limit, async ({ cluster, text, names }) => {
    signal.throwIfAborted();
    const left = until - clock.monotonicMs();
    const answer = left <= 0 ? undefined : await answerWithin(agents.preview(cluster, text), left, clock, signal);
    return { cluster, names, answer: answer ?? 'NotAsked' };
  });
};
