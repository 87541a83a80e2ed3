import {
  AlertPage,
  AlertTestView,
  type AlertView,
  ReceiverList,
  type ReceiverView,
  SilenceList,
  type SilenceRequest,
  SilenceView,
} from '@fso/shared/api';
import type { HubRequests } from './hub-requests.ts';

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

export const createAlertClient = (requests: HubRequests): AlertClient => ({
  alerts: (query = {}, signal) => requests.all((page) => requests.get(AlertPage, '/alerts', page, signal), { ...query }),
  silences: async (signal) => (await requests.get(SilenceList, '/alerts/silences', {}, signal)).items,
  createSilence: (body, signal) => requests.send(SilenceView, '/api/v1/alerts/silences', { method: 'POST', body }, signal),
  endSilence: (id, signal) => requests.send(SilenceView, `/api/v1/alerts/silences/${encodeURIComponent(id)}`, { method: 'DELETE' }, signal),
  receivers: async (signal) => (await requests.get(ReceiverList, '/alerts/receivers', {}, signal)).items,
  testReceiver: (receiver, signal) => requests.send(AlertTestView, '/api/v1/alerts/test', { method: 'POST', body: { receiver } }, signal),
});
