import { commitSpanOf, offerSpanOf, parseTraceparent, type SpanStarter } from '@fso/shared/telemetry';
import { type Context, ROOT_CONTEXT, type Span, type SpanContext, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import type { WaveEnd } from '../waves/index.ts';
import type { RolloutEntry } from './rollout-record.ts';

/** Time after which the span of a commit that is not proven ends as an error, in milliseconds. */
export const LONGEST_MS = 600_000;

/** End of a rollout. `error`: a problem code. Times are in milliseconds since 1970. */
type End = { readonly time: number } & ({ readonly result: 'enforced' | 'superseded' } | { readonly error: string });

/** State of the fleet that decides whether a rollout has ended. */
export interface FleetNow {
  /** Names of the clusters that the enforcement of a commit waits for. */
  readonly counting: readonly string[];
  /** Whether commits go out in waves, which may take any time. */
  readonly isInWaves: boolean;
  readonly now: number;
  /** Time at which this hub began to lead: what ended before is in another hub's spans. */
  readonly ledSince: number;
}

const codeOf = (reasons: readonly { readonly code?: string | undefined }[] = []): string => reasons[0]?.code ?? 'invalid';

/** Finds the end of a rollout; undefined if clusters may still reach the commit. */
const endOf = (entry: RolloutEntry, { counting, isInWaves, now, ledSince }: FleetNow): End | undefined => {
  const { rollout, noticedMs } = entry;
  if (rollout.problems !== null) return { time: Date.parse(rollout.hub.judged ?? rollout.noticed), error: codeOf(rollout.problems) };
  if (rollout.enforced !== null) return { time: Date.parse(rollout.enforced), result: 'enforced' };
  if (rollout.superseded) return { time: now, result: 'superseded' };
  const [refusal] = Object.values(rollout.refused);
  const time = noticedMs + (entry.answeredAt(counting) ?? (isInWaves ? Number.POSITIVE_INFINITY : LONGEST_MS));
  const hasEnded = time <= now && time >= ledSince;
  return hasEnded ? { time, error: refusal === undefined ? 'not-proven' : codeOf(refusal.reasons) } : undefined;
};

/**
 * Makes the spans of commits from their rollouts, once the times of a span are known. It only
 * observes, and nothing depends on it.
 */
export class CommitTracer {
  readonly #spans: SpanStarter;
  /** Rollouts whose spans are made. */
  readonly #ended = new WeakSet<RolloutEntry>();
  /** Clusters whose offers have spans, by rollout. */
  readonly #offers = new WeakMap<RolloutEntry, Set<string>>();

  constructor(spans: SpanStarter) {
    this.#spans = spans;
  }

  /** Records that an authenticated webhook announced a commit, from a trace of its sender. */
  announced(revision: string, traceparent: string): void {
    const sender = parseTraceparent(traceparent);
    if (sender === undefined) return;
    const options = { kind: SpanKind.CONSUMER, links: [{ context: sender }] };
    this.#spans.tracer.startSpan('webhook', options, below(commitSpanOf(revision))).end();
  }

  /** Makes the span of the offer to a cluster, once its agent has answered. */
  answered(entry: RolloutEntry, cluster: string, ledSince: number): void {
    const { rollout, steps, noticedMs } = entry;
    const refusal = rollout.refused[cluster];
    const answered = refusal?.at ?? steps.at(cluster, 'accepted');
    if (!rollout.watched || answered === undefined || noticedMs + answered < ledSince) return;
    const known = this.#offers.get(entry) ?? new Set();
    if (known.has(cluster)) return;
    this.#offers.set(entry, known.add(cluster));
    const { revision } = rollout.commit;
    const options = {
      kind: SpanKind.PRODUCER,
      startTime: noticedMs + (steps.at(cluster, 'offered') ?? answered),
      attributes: { 'k8s.cluster.name': cluster },
    };
    const span = this.#spans.startSpanAs(offerSpanOf(revision, cluster), 'offer', options, below(commitSpanOf(revision)));
    conclude(span, refusal === undefined ? { result: 'acked' } : { error: codeOf(refusal.reasons) }).end(noticedMs + answered);
  }

  /** Makes the span of a wave that worked on a commit. */
  waved({ revision, wave, since, until, ...end }: WaveEnd): void {
    const options = { startTime: since, attributes: { 'fso.wave': wave } };
    conclude(this.#spans.tracer.startSpan('wave', options, below(commitSpanOf(revision))), end).end(until);
  }

  /** Makes the spans of the hub, once the rollout has ended. */
  follow(entry: RolloutEntry, fleet: FleetNow): void {
    const { rollout, noticedMs } = entry;
    const end = this.#ended.has(entry) || !rollout.watched ? undefined : endOf(entry, fleet);
    if (end === undefined) return;
    this.#ended.add(entry);
    const { commit, hub, problems, verification } = rollout;
    const attributes = {
      'vcs.ref.head.revision': commit.revision,
      ...(problems === null
        ? { 'fso.clusters': entry.steps.size, 'fso.verification': verification?.state }
        : { 'fso.problems': problems.length }),
    };
    const span = this.#spans.startSpanAs(commitSpanOf(commit.revision), 'commit', { startTime: noticedMs, attributes });
    const context = trace.setSpan(ROOT_CONTEXT, span);
    this.#step('fetch', [rollout.noticed, hub.fetched], context);
    this.#step('judge', [hub.fetched, hub.judged], context, problems?.length ? codeOf(problems) : undefined);
    // A commit may be released although the hub failed to compile it.
    this.#step('compile', [hub.judged, hub.compiled ?? hub.released], context, hub.compiled === null ? 'failed' : undefined);
    this.#step('release', [hub.compiled ?? hub.judged, hub.released], context);
    conclude(span, end).end(end.time);
  }

  /**
   * Makes the span of a step of the hub.
   *
   * @param times RFC 3339; null if unknown: there is no span
   */
  #step(name: string, [from, to]: readonly [string | null, string | null], context: Context, error?: string): void {
    if (from === null || to === null) return;
    const span = this.#spans.tracer.startSpan(name, { startTime: Date.parse(from) }, context);
    if (error !== undefined) conclude(span, { error });
    span.end(Date.parse(to));
  }
}

const below = (parent: SpanContext): Context => trace.setSpanContext(ROOT_CONTEXT, parent);

const conclude = (span: Span, end: { readonly result: string } | { readonly error: string }): Span =>
  'result' in end
    ? span.setAttribute('fso.result', end.result)
    : span.setStatus({ code: SpanStatusCode.ERROR, message: end.error }).setAttribute('error.type', end.error);
