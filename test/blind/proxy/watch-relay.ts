import type { IncomingMessage, ServerResponse } from 'node:http';
import { createInterface } from 'node:readline';
import { type Deformation, deformObject } from './deform.ts';
import type { Treatment } from './faults.ts';

export interface RelayHooks {
  /** Returns the treatment of the next event. */
  readonly treatment: () => Treatment;
  /** A whole event or bookmark went on to the client. @param version of its object */
  readonly onPassed: (version: string | undefined) => void;
  readonly onHeld: () => void;
  readonly onDeformed: () => void;
}

interface WaitingLine {
  readonly line: string;
  /**
   * Time at which the line may go on, ms of the monotonic clock; Infinity: not before
   * {@link WatchRelay.thaw}.
   */
  readonly dueMs: number;
}

interface Event {
  readonly type: string;
  readonly object: { readonly metadata?: { readonly resourceVersion?: unknown } };
}

const EXPIRED = {
  type: 'ERROR',
  object: { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'Expired', code: 410, message: 'too old resource version' },
};

/** Relay of one open watch: passes its events on, holds them back, or changes them. */
export class WatchRelay {
  readonly #upstream: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #hooks: RelayHooks;
  readonly #waiting: WaitingLine[] = [];
  #timer: NodeJS.Timeout | undefined;
  #hasUpstreamEnded: boolean = false;

  constructor(upstream: IncomingMessage, response: ServerResponse, hooks: RelayHooks) {
    this.#upstream = upstream;
    this.#response = response;
    this.#hooks = hooks;
    response.on('close', () => this.#close());
    const lines = createInterface({ input: upstream });
    // A watch that the server breaks off ends, as one that is over.
    lines.on('error', () => this.#end());
    lines.on('line', (line) => this.#take(line));
    lines.on('close', () => this.#end());
  }

  /** Passes on the events that wait. */
  thaw(): void {
    for (const { line } of this.#waiting.splice(0)) this.#pass(line);
    if (this.#hasUpstreamEnded) this.#response.end();
  }

  /** Breaks the connection. */
  break(): void {
    this.#response.destroy();
  }

  /** Ends the watch as a server does that no longer has the version it goes on from. */
  expire(): void {
    this.#response.end(`${JSON.stringify(EXPIRED)}\n`);
  }

  #take(line: string): void {
    const { delayMs, deformation } = this.#hooks.treatment();
    if (delayMs > 0) this.#hooks.onHeld();
    if (deformation !== undefined) this.#passDeformed(line, deformation);
    else if (delayMs > 0 || this.#waiting.length > 0) this.#wait(line, performance.now() + delayMs);
    else this.#pass(line);
  }

  #wait(line: string, dueMs: number): void {
    this.#waiting.push({ line, dueMs });
    this.#schedule();
  }

  #schedule(): void {
    const [first] = this.#waiting;
    if (this.#timer !== undefined || first === undefined || !Number.isFinite(first.dueMs)) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#passDue();
      },
      Math.max(0, first.dueMs - performance.now()),
    );
  }

  #passDue(): void {
    const now = performance.now();
    while (this.#waiting[0] !== undefined && this.#waiting[0].dueMs <= now) this.#pass(this.#waiting.shift()?.line ?? '');
    this.#schedule();
  }

  #pass(line: string): void {
    if (this.#response.writableEnded || line.trim() === '') return;
    this.#response.write(`${line}\n`);
    const version = (JSON.parse(line) as Event).object.metadata?.resourceVersion;
    this.#hooks.onPassed(typeof version === 'string' ? version : undefined);
  }

  #passDeformed(line: string, deformation: Deformation): void {
    const event = JSON.parse(line) as Event;
    if (event.type === 'ERROR' || !deformObject(event.object, deformation)) {
      this.#pass(line);
      return;
    }
    this.#hooks.onDeformed();
    if (!this.#response.writableEnded) this.#response.write(`${JSON.stringify(event)}\n`);
  }

  /** A connection that brings nothing does not show its end either. */
  #end(): void {
    this.#hasUpstreamEnded = true;
    if (this.#waiting.length === 0 && Number.isFinite(this.#hooks.treatment().delayMs)) this.#response.end();
  }

  #close(): void {
    clearTimeout(this.#timer);
    this.#waiting.length = 0;
    this.#upstream.destroy();
  }
}
