import { setTimeout as delay } from 'node:timers/promises';
import { policyKey } from '@fso/shared/api';
import type { CompiledCluster } from '@fso/shared/compile';
import { differenceBetween, type StatusByName, statusByName } from '../harness/deviations.ts';
import { connectStream, type StreamClient } from '../harness/stream-client.ts';
import type { ClusterLife } from './cluster-life.ts';

/** The network side of an agent over a {@link ClusterLife}: it accepts offers and reports, over the real protocol. */
export interface SimulatedAgent {
  readonly cluster: string;
  readonly connected: boolean;
  /** Commit that its cluster has and has reported. */
  readonly revision: string;
  /** Connects and reports everything, again after each loss of the hub; resolves once the hub has recorded the first report. */
  connect(): Promise<void>;
  /** Starts a pod outside, and reports it. Resolves once the hub has recorded it. */
  addViolation(namespace: string, pod: string): Promise<void>;
  disconnect(): Promise<void>;
}

export interface SimulatedAgentOptions {
  readonly agentUrl: string;
  readonly token: string;
  readonly life: ClusterLife;
  /** Commit that it has when it first connects. */
  readonly holds: string;
  /** The cluster's share of a commit. */
  readonly compiled: (revision: string) => Promise<CompiledCluster>;
  /** The reason why it refuses a commit, if it does. */
  readonly refuses: (revision: string) => string | undefined;
}

const RETRY_MS = 300;

export const createSimulatedAgent = ({ agentUrl, token, life, holds, compiled, refuses }: SimulatedAgentOptions): SimulatedAgent => {
  let stream: StreamClient | undefined;
  let revision = holds;
  let seq = 0;
  let started = false;
  let wanted = false;
  let kept: Promise<void> = Promise.resolve();
  /** What the hub has by name once it has taken the last report. */
  let sent: StatusByName['named'] = new Map();

  const report = (client: StreamClient, full = false): void => {
    seq += 1;
    const { baseline, named, violationSamples } = statusByName(life.reported());
    const difference = differenceBetween(full ? new Map() : sent, named);
    client.send({
      type: 'report',
      seq,
      full,
      baseline,
      cluster: { ...life.cluster(), violationSamples },
      ...difference,
      events: life.events(),
    });
    sent = named;
  };
  const takeOffers = async (client: StreamClient): Promise<void> => {
    for (;;) {
      const frame = await Promise.race([client.next('offer'), client.closed]);
      if ('code' in frame) return;
      const reason = refuses(frame.revision);
      if (reason !== undefined) {
        client.send({ type: 'nack', revision: frame.revision, reasons: [{ message: reason }] });
        continue;
      }
      const cluster = await compiled(frame.revision);
      client.send({ type: 'ack', revision: frame.revision, digest: cluster.digest });
      life.accept(frame.revision, cluster);
      report(client);
      revision = frame.revision;
    }
  };
  const answerResyncs = async (client: StreamClient): Promise<void> => {
    for (;;) {
      const frame = await Promise.race([client.next('resync'), client.closed]);
      if ('code' in frame) return;
      report(client, true);
    }
  };
  const answerInspections = async (client: StreamClient): Promise<void> => {
    for (;;) {
      const frame = await Promise.race([client.next('inspect'), client.closed]);
      if ('code' in frame) return;
      const told = life.reports().find((each) => policyKey(each) === frame.policy) ?? null;
      client.send({ type: 'inspected', id: frame.id, report: told });
    }
  };
  const untilTaken = async (client: StreamClient): Promise<void> => {
    for (;;) {
      const frame = await Promise.race([client.next('reported'), client.closed]);
      if ('code' in frame) throw new Error(`${life.name}: the hub closed the stream: ${frame.reason}`);
      if (frame.seq === seq) return;
    }
  };
  const open = async (): Promise<StreamClient> => {
    const client = await connectStream(agentUrl, token, life.name);
    client.hello({ revision, holds: revision, anchor: revision, agentVersion: life.cluster().agentVersion });
    await client.greeted;
    report(client, true);
    await untilTaken(client);
    stream = client;
    return client;
  };
  const serve = async (client: StreamClient): Promise<void> => {
    await Promise.all([takeOffers(client), answerResyncs(client), answerInspections(client)]);
  };
  /** Reconnects like a real agent after the hub was away. */
  const keep = async (first: StreamClient): Promise<void> => {
    for (let client: StreamClient | undefined = first; wanted; client = undefined) {
      try {
        await serve(client ?? (await open()));
      } catch {
        // There is no hub now.
      }
      if (wanted) await delay(RETRY_MS);
    }
  };

  return {
    cluster: life.name,
    get connected() {
      return wanted;
    },
    get revision() {
      return revision;
    },
    connect: async () => {
      if (!started) life.accept(holds, await compiled(holds));
      started = true;
      wanted = true;
      kept = keep(await open());
    },
    addViolation: async (namespace, pod) => {
      if (stream === undefined) throw new Error(`${life.name} is not connected`);
      life.addViolation(namespace, pod);
      report(stream);
      await untilTaken(stream);
    },
    disconnect: async () => {
      wanted = false;
      stream?.close();
      await stream?.closed;
      await kept;
      stream = undefined;
    },
  };
};
