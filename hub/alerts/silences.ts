import { randomBytes } from 'node:crypto';
import type { NewAuditEntry, SilenceRequest, SilenceView } from '@fso/shared/api';
import { type Clock, createYielder, messageOf, weakMemo, weakMemo2 } from '@fso/shared/runtime';
import { z } from 'zod';
import type { Journal, KeyedStore } from '../ledger/index.ts';
import { type LabelSet, labelSetOf, type Matcher, matchesAll, matchesText, parseMatcher } from './matchers.ts';

const SILENCE_KIND = 'alert-silence';
/** Name of the one record of all silences, which are few. */
const NAME = 'all';
/** Most silences that have not ended. Each is compared with each firing alert. */
const MAX_SILENCES = 200;
/**
 * Most silences of one author, so that a person who may silence one cluster cannot keep others from
 * silencing theirs.
 */
const MAX_BY_ONE = 50;
/** Time for which a silence is kept after its end, in milliseconds. */
const KEPT_MS = 7 * 86_400_000;
/** Longest time from now to the start of a silence, and from there to its end, in milliseconds. */
const MAX_LENGTH_MS = 366 * 86_400_000;

const StoredSilence = z.object({
  id: z.string(),
  matchers: z.array(z.string()),
  /** Milliseconds since 1970. */
  from: z.int(),
  until: z.int(),
  reason: z.string(),
  author: z.string(),
  createdAt: z.int(),
  /** Whether the audit log has its end. */
  endAudited: z.boolean(),
});
/** A silence as the ledger stores it. */
export type StoredSilence = Readonly<z.infer<typeof StoredSilence>>;

/** Parts of an alert that silences match. */
type Labelled = Parameters<typeof labelSetOf>[0];

/** Longest time that a comparison holds the thread before it yields, in milliseconds. */
const SLICE_MS = 10;

const NONE: readonly StoredSilence[] = [];
const StoredSilences = z.array(StoredSilence).catch([]);
const parse = weakMemo((value: object): readonly StoredSilence[] => StoredSilences.parse(value));
const silencesIn = (value: unknown): readonly StoredSilence[] => (typeof value === 'object' && value !== null ? parse(value) : NONE);

/**
 * Matchers of a silence; undefined if they cannot be read, as a newer version wrote them. Such a
 * silence matches no alert.
 */
const matchersOf = weakMemo(({ matchers }: StoredSilence): readonly Matcher[] | undefined => {
  try {
    return matchers.map(parseMatcher);
  } catch {
    return undefined;
  }
});

/** The entry of the audit log for a silence that ended by itself. */
const endEntry = ({ id, matchers, reason }: StoredSilence): NewAuditEntry => ({
  actor: { kind: 'hub', id: 'hub', roles: [] },
  from: null,
  action: 'alert.silence-end',
  subject: id,
  detail: { matchers, reason },
});

const isMatch = (silence: StoredSilence, labels: LabelSet): boolean => {
  const matchers = matchersOf(silence);
  return matchers !== undefined && matchesAll(matchers, labels);
};

/**
 * Silences that match the labels of an alert, active or not. Silences and alerts are replaced and
 * never changed, so each pair is compared once.
 */
const matchesOf = weakMemo2((silences: readonly StoredSilence[], alert: Labelled): readonly StoredSilence[] => {
  const labels = labelSetOf(alert);
  const found = silences.filter((silence) => isMatch(silence, labels));
  return found.length === 0 ? NONE : found;
});

/** Refusal to make a silence. The message is for people. */
export class SilenceRefused extends Error {
  readonly code: 'bad-request' | 'conflict';

  constructor(code: SilenceRefused['code'], message: string) {
    super(message);
    this.code = code;
  }
}

const readMatchers = (texts: readonly string[]): readonly Matcher[] => {
  try {
    return texts.map(parseMatcher);
  } catch (error) {
    throw new SilenceRefused('bad-request', `body matchers: ${messageOf(error)}`);
  }
};

const checkRequest = (matchers: readonly Matcher[], from: number, until: number, nowMs: number): void => {
  // As in Alertmanager: such a silence would match every alert without the label.
  if (matchers.every((matcher) => matchesText(matcher, '')))
    throw new SilenceRefused('bad-request', 'body matchers: at least one must not match an absent label');
  if (until <= from || until <= nowMs) throw new SilenceRefused('bad-request', 'body until: must be after from, and in the future');
  if (from - nowMs > MAX_LENGTH_MS) throw new SilenceRefused('bad-request', 'body from: must be at most a year from now');
  if (until - from > MAX_LENGTH_MS) throw new SilenceRefused('bad-request', 'body until: must be at most a year after from');
};

const stateOf = ({ from, until }: Pick<StoredSilence, 'from' | 'until'>, nowMs: number): SilenceView['state'] => {
  if (until <= nowMs) return 'ended';
  return from > nowMs ? 'pending' : 'active';
};

/** @param alerts number of firing alerts that it matches */
const viewOf = ({ id, matchers, from, until, reason, author, createdAt }: StoredSilence, alerts: number, nowMs: number): SilenceView => ({
  id,
  state: stateOf({ from, until }, nowMs),
  matchers: [...matchers],
  from: new Date(from).toISOString(),
  until: new Date(until).toISOString(),
  reason,
  author,
  createdAt: new Date(createdAt).toISOString(),
  alerts,
});

/** Silences in the ledger, shared by all hubs. */
export class Silences {
  readonly #records: KeyedStore;
  readonly #clock: Clock;

  constructor(records: KeyedStore, clock: Clock) {
    this.#records = records;
    this.#clock = clock;
  }

  /**
   * Compares alerts with all silences, and yields the thread in between: 200 silences and 20,000
   * alerts take a second. The results are cached as long as both stay the same.
   */
  async compare(alerts: Iterable<Labelled>): Promise<void> {
    const yieldIfDue = createYielder(SLICE_MS);
    for (const alert of alerts) {
      matchesOf(this.#all(), alert);
      await yieldIfDue();
    }
  }

  /**
   * Ids of the silences that match and are active at a time.
   *
   * @param atMs milliseconds since 1970
   */
  matching(alert: Labelled, atMs: number): string[] {
    return matchesOf(this.#all(), alert).flatMap(({ id, from, until }) => (from <= atMs && atMs < until ? [id] : []));
  }

  /**
   * Time at which the next silence begins or ends, in milliseconds since 1970; Infinity if none
   * does.
   */
  nextChangeMs(nowMs: number): number {
    return Math.min(...this.#all().flatMap(({ from, until }) => [from, until].filter((at) => at > nowMs)), Number.POSITIVE_INFINITY);
  }

  /** Active silences first, then pending and ended ones. @param firing alerts to be counted */
  views(firing: readonly Labelled[]): SilenceView[] {
    const nowMs = this.#nowMs();
    const order = ['active', 'pending', 'ended'];
    const counts = new Map<string, number>();
    for (const alert of firing) for (const { id } of matchesOf(this.#all(), alert)) counts.set(id, (counts.get(id) ?? 0) + 1);
    return this.#all()
      .map((silence) => viewOf(silence, counts.get(silence.id) ?? 0, nowMs))
      .sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state) || Date.parse(b.until) - Date.parse(a.until));
  }

  /** @param firing alerts to be counted if the silence matches them */
  view(silence: StoredSilence, firing: readonly Labelled[]): SilenceView {
    return viewOf(silence, firing.filter((alert) => isMatch(silence, labelSetOf(alert))).length, this.#nowMs());
  }

  /** @throws SilenceRefused */
  async add(request: z.output<typeof SilenceRequest>, author: string): Promise<StoredSilence> {
    const nowMs = this.#nowMs();
    const from = request.from === undefined ? nowMs : Math.max(nowMs, Date.parse(request.from));
    const until = Date.parse(request.until);
    checkRequest(readMatchers(request.matchers), from, until, nowMs);
    const id = randomBytes(8).toString('hex');
    const { matchers, reason } = request;
    const made: StoredSilence = { id, matchers, from, until, reason, author, createdAt: nowMs, endAudited: false };
    await this.#records.update(SILENCE_KIND, NAME, (before) => {
      const kept = silencesIn(before).filter((silence) => silence.until > nowMs - KEPT_MS);
      const open = kept.filter((silence) => silence.until > nowMs);
      if (open.length >= MAX_SILENCES) throw new SilenceRefused('conflict', `There are ${MAX_SILENCES} silences: end some first.`);
      if (open.filter((silence) => silence.author === author).length >= MAX_BY_ONE)
        throw new SilenceRefused('conflict', `${author} has ${MAX_BY_ONE} silences: end some first.`);
      const ended = kept.filter((silence) => silence.until <= nowMs).slice(-(MAX_SILENCES - open.length - 1) || kept.length);
      return [...ended, ...open, made];
    });
    return made;
  }

  /**
   * Ends a silence now, unless it has ended before.
   *
   * @returns the silence; undefined if there is none with the id
   */
  async end(id: string): Promise<StoredSilence | undefined> {
    const nowMs = this.#nowMs();
    let found: StoredSilence | undefined;
    await this.#records.update(SILENCE_KIND, NAME, (before) => {
      const all = silencesIn(before);
      found = all.find((silence) => silence.id === id);
      if (found === undefined || found.until <= nowMs) return before;
      const ended: StoredSilence = { ...found, from: Math.min(found.from, nowMs), until: nowMs, endAudited: true };
      found = ended;
      return all.map((silence) => (silence.id === id ? ended : silence));
    });
    return found;
  }

  /**
   * Audits silences that ended by themselves. Each is audited before it is marked as audited, so a
   * crash in between repeats an entry, and loses none.
   */
  async auditEnds(audit: Pick<Journal['audit'], 'append'>): Promise<void> {
    const nowMs = this.#nowMs();
    const ended = this.#all().filter(({ until, endAudited }) => until <= nowMs && !endAudited);
    if (ended.length === 0) return;
    for (const silence of ended) await audit.append(endEntry(silence));
    const ids = new Set(ended.map(({ id }) => id));
    await this.#records.update(SILENCE_KIND, NAME, (before) =>
      silencesIn(before).map((silence) => (ids.has(silence.id) ? { ...silence, endAudited: true } : silence)),
    );
  }

  subscribe(handler: () => void): () => void {
    return this.#records.subscribe(SILENCE_KIND, handler);
  }

  #all(): readonly StoredSilence[] {
    return silencesIn(this.#records.get(SILENCE_KIND, NAME));
  }

  #nowMs(): number {
    return this.#clock.now().getTime();
  }
}
