import { type Clock, waitPatiently } from '@fso/shared/runtime';
import type { WebSocket } from 'ws';
import type { EncodedOffer } from './offers.ts';
import type { OfferLimit } from './pacing/offer-limit.ts';

export interface Outbox {
  send(payload: string): void;
  /** Sends an offer; while one is still on its way only the newest other one waits. */
  offer(offer: EncodedOffer): void;
  /** Another revision is meant now: the offer that waits, if any, is not sent. */
  dropWaiting(): void;
}

export interface OutboxOptions {
  readonly clock: Clock;
  readonly stallMs: number;
  readonly maxBufferedBytes: number;
  /** Of all agents. */
  readonly offerLimit: OfferLimit;
  /** Called once. */
  readonly onTooSlow: () => void;
  readonly onOffered: (offer: EncodedOffer) => void;
}

const FLUSHED = 'flushed';

/**
 * What waits for one agent, bounded: a connection that does not drain is given up rather than buffered for, and no
 * other connection waits for it.
 */
export const createOutbox = (socket: WebSocket, options: OutboxOptions): Outbox => {
  let onItsWay = false;
  /** It is to be this connection's turn. */
  let isInLine = false;
  let waiting: EncodedOffer | undefined;
  let gaveUp = false;

  const giveUp = (): void => {
    if (gaveUp) return;
    gaveUp = true;
    waiting = undefined;
    options.onTooSlow();
  };
  const isOpen = (): boolean => !gaveUp && socket.readyState === socket.OPEN;

  const watch = (done: AbortSignal): void => {
    waitPatiently(options.clock, options.stallMs, done).then(giveUp, () => undefined);
  };

  const start = (offer: EncodedOffer, done: () => void): void => {
    onItsWay = true;
    const flushed = new AbortController();
    watch(flushed.signal);
    // One message in two fragments: the first is the same memory for all agents that get it.
    socket.send(offer.shared, { binary: false, fin: false });
    socket.send(offer.own, { binary: false }, () => {
      // With a reason: without one an error with a stack is made, for each offer.
      flushed.abort(FLUSHED);
      onItsWay = false;
      done();
      standInLine();
    });
    options.onOffered(offer);
  };

  const startWaiting = (done: () => void): void => {
    isInLine = false;
    const next = waiting;
    waiting = undefined;
    if (next !== undefined && isOpen()) start(next, done);
    else done();
  };

  const standInLine = (): void => {
    if (waiting === undefined || onItsWay || isInLine) return;
    isInLine = true;
    options.offerLimit.enter(() => (waiting === undefined ? 0 : waiting.shared.byteLength + waiting.own.byteLength), startWaiting);
  };

  return {
    send: (payload) => {
      if (!isOpen()) return;
      // An offer may be larger than the bound; what counts then is whether it makes progress, which `watch` sees.
      if (!onItsWay && socket.bufferedAmount > options.maxBufferedBytes) giveUp();
      else socket.send(payload);
    },
    offer: (offer) => {
      if (!isOpen()) return;
      waiting = offer;
      standInLine();
    },
    dropWaiting: () => {
      waiting = undefined;
    },
  };
};
