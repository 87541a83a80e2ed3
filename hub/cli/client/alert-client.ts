import {
  AlertPage,
  AlertTestView,
  type AlertView,
  type Page,
  ReceiverList,
  type ReceiverView,
  SilenceList,
  type SilenceRequest,
  SilenceView,
} from '@fso/shared/api';
import type { z } from 'zod';

/** Filter of alerts by the parameters of the list; all given ones must match. */
export interface AlertFilter {
  readonly state?: string;
  readonly severity?: string;
  readonly name?: string;
  readonly cluster?: string;
  readonly policy?: string;
  readonly team?: string;
  readonly q?: string;
  readonly sort?: string;
}

/** The part of a hub's client about alerts. */
export interface AlertClient {
  alerts(query?: AlertFilter, signal?: AbortSignal): Promise<AlertView[]>;
  silences(signal?: AbortSignal): Promise<readonly SilenceView[]>;
  createSilence(wanted: SilenceRequest, signal?: AbortSignal): Promise<SilenceView>;
  endSilence(id: string, signal?: AbortSignal): Promise<SilenceView>;
  receivers(signal?: AbortSignal): Promise<readonly ReceiverView[]>;
  /** Makes the hub send a test notification to the receiver. */
  testReceiver(receiver: string, signal?: AbortSignal): Promise<AlertTestView>;
}

type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/** Calls of the hub's API that the client makes. */
interface Calls {
  readonly get: <S extends z.ZodType>(schema: S, path: string, query: Query, signal?: AbortSignal) => Promise<z.output<S>>;
  readonly send: <S extends z.ZodType>(
    schema: S,
    path: string,
    call: { readonly method: 'POST' | 'DELETE'; readonly body?: unknown },
    signal?: AbortSignal,
  ) => Promise<z.output<S>>;
  readonly all: <T>(read: (query: Query) => Promise<Page<T>>, query: Query) => Promise<T[]>;
}

export const createAlertClient = ({ get, send, all }: Calls): AlertClient => ({
  alerts: (query = {}, signal) => all((page) => get(AlertPage, '/alerts', page, signal), { ...query }),
  silences: async (signal) => (await get(SilenceList, '/alerts/silences', {}, signal)).items,
  createSilence: (body, signal) => send(SilenceView, '/api/v1/alerts/silences', { method: 'POST', body }, signal),
  endSilence: (id, signal) => send(SilenceView, `/api/v1/alerts/silences/${encodeURIComponent(id)}`, { method: 'DELETE' }, signal),
  receivers: async (signal) => (await get(ReceiverList, '/alerts/receivers', {}, signal)).items,
  testReceiver: (receiver, signal) => send(AlertTestView, '/api/v1/alerts/test', { method: 'POST', body: { receiver } }, signal),
});
