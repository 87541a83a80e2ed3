/** What a session knows of its agent; nothing of it outlives the connection. */
export interface SessionState {
  /** Commit whose objects the agent has. */
  holds: string | null;
  /** Commit that the next one has to be shown to descend from. */
  anchor: string | null;
  /** Commit the agent enforces. */
  revision: string | null;
  /** Commit the agent was given last, and enforces or will; null = not known. */
  heading: string | null;
  /** Revisions that the agent may ack or nack: what it came with and what it was offered. */
  readonly known: Set<string>;
  /** Those that it was offered: what it acks of them it has, whatever it says by itself. */
  readonly offered: Set<string>;
  /** A full report was asked for and has not come yet. */
  resyncing: boolean;
  /** Entries of the last full report, and since, that were not taken as they came: until the next one the digests cannot agree. */
  mended: number;
  /** Warnings of such entries: an agent could send them without end. */
  readonly mayTellMended: () => boolean;
  /** Newest revision meant for the agent. */
  target: string | null;
  /** Sequence of the checkpoint that the agent keeps, or was sent last. */
  checkpoint: number | null;
  /** Sequence of the checkpoint that was sent last on this stream. */
  sentCheckpoint: number | null;
}
