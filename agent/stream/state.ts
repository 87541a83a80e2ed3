/** Where the stream to the hub stands. */
export type StreamState =
  | { readonly state: 'connecting'; readonly attempt: number }
  | { readonly state: 'connected'; readonly hubVersion: string }
  /** The hub does not want this agent; nothing helps but a change of configuration or version. */
  | { readonly state: 'rejected'; readonly reason: string; readonly retryInMs: number }
  | { readonly state: 'disconnected'; readonly reason: string; readonly retryInMs: number };

/** How a connection came to its end. */
export interface ConnectionEnd {
  /** `renewed`: the agent has another certificate, and goes on with it at once. */
  readonly kind: 'rejected' | 'lost' | 'resend' | 'renewed';
  readonly reason: string;
  /** Milliseconds: a hub that stops asks its agents to come back at random moments within this time. */
  readonly returnMs?: number | undefined;
}
