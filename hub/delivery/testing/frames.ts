import { type AgentFrame, decodeHubFrame, encodeFrame, type HubFrame, PROTOCOL_VERSION } from '@fso/shared/protocol';
import type WebSocket from 'ws';
import { type LooseReport, ReportedNames } from '../../../test/harness/baselines.ts';

/**
 * Encodes the hello of an agent that has nothing.
 * @param hello with the fields that a test is about
 */
export const encodeHello = (hello: Partial<Extract<AgentFrame, { type: 'hello' }>> = {}): string =>
  encodeFrame({
    type: 'hello',
    protocol: PROTOCOL_VERSION,
    cluster: 'eu',
    revision: null,
    holds: null,
    anchor: null,
    agentVersion: 'test',
    ...hello,
  });

/**
 * Encodes the first report of an agent.
 * @param report with the fields that a test is about
 */
export const encodeReport = (report: Partial<LooseReport>): string =>
  encodeFrame(new ReportedNames().complete({ type: 'report', seq: 1, full: true, policies: [], removed: [], events: [], ...report }));

/** Collects the types of the frames that a hub sends. */
export const frameTypesOf = (socket: WebSocket): HubFrame['type'][] => {
  const types: HubFrame['type'][] = [];
  socket.on('message', (data) => {
    const decoded = decodeHubFrame(data as Buffer);
    if (decoded.ok) types.push(decoded.frame.type);
  });
  return types;
};
