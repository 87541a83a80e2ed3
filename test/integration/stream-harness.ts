import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalCluster } from '@fso/clusters/local';
import { type SovereignPolicy, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { CRD_KIND, type CustomResourceDefinition, type KubeClient, SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import { createLogger, systemClock } from '@fso/shared/runtime';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { parse } from 'yaml';
import { readDefinitions } from '../../agent/bootstrap.ts';
import { startRounds } from '../../agent/control/testing/rounds.ts';
import { type AgentSnapshot, LiveObservatory } from '../../agent/observe/index.ts';
import { EventOutbox } from '../../agent/report/index.ts';
import { type Stream, startStream } from '../../agent/stream/stream.ts';
import { makeObjectRepository, type ObjectRepository, type WholeOffer } from '../harness/git-objects.ts';
import { openKubeClient } from '../harness/kube-client.ts';
import { startTestCluster } from '../harness/local-cluster.ts';
import { clusterFile, policyFile } from '../harness/policy-files.ts';
import { type ScriptedHub, startScriptedHub } from '../harness/scripted-hub.ts';
import { never, waitFor } from '../harness/waiting.ts';

const logger = createLogger({ name: 'test', level: 'silent' });
const FACTS: AgentSnapshot['cluster'] = {
  agentVersion: 'test',
  kubernetesVersion: 'v1.36.3',
  gatekeeper: { state: 'Absent' },
  nodesByRegion: { 'eu-west-1': 2 },
  conditions: [],
};

const POLICIES_PATH = `/apis/compliance.federated.io/v1/namespaces/${SYSTEM_NAMESPACE}/sovereignpolicies`;

interface StreamAgent {
  readonly stream: Stream;
  readonly observatory: LiveObservatory;
  stop(): Promise<void>;
}

/**
 * A cluster without either lock. Each test has a hub and a repository of its own, whose first
 * commit has the policies finance and hr.
 */
class StreamHarness {
  readonly #name: string;
  #folder = '';
  /** Client that the stream writes with: the audit log counts its requests as an agent's. */
  #asAgent!: KubeClient;
  cluster!: LocalCluster;
  client!: KubeClient;
  repository!: ObjectRepository;
  hub!: ScriptedHub;
  /** The agent that was started last. */
  agent: StreamAgent | undefined;
  first = '';

  constructor(name: string) {
    this.#name = name;
  }

  async open(): Promise<void> {
    this.#folder = mkdtempSync(join(tmpdir(), `fso-${this.#name}-`));
    const options = { name: this.#name, stateDir: this.#folder, regions: ['eu-west-1'], gatekeeper: false };
    this.cluster = await startTestCluster(options, never);
    this.client = openKubeClient({ kubeconfig: this.cluster.kubeconfig });
    this.#asAgent = openKubeClient({ kubeconfig: this.cluster.kubeconfig, userAgent: 'fso-agent/test' });
    const crd = parse(readFileSync(new URL('../../crds/sovereignpolicies.yaml', import.meta.url), 'utf8'));
    await this.client.apply(CRD_KIND, crd, { fieldManager: 'test' }, never);
    await waitFor(() => this.policies());
  }

  async close(): Promise<void> {
    await Promise.all([this.client.close(), this.#asAgent.close()]);
    await this.cluster.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async openHub(): Promise<void> {
    this.repository = makeObjectRepository();
    this.hub = await startScriptedHub();
    this.first = this.repository.commit({
      'clusters/eu.yaml': clusterFile('eu', ['eu-west-1', 'eu-central-1']),
      'policies/finance.yaml': policyFile('finance'),
      'policies/hr.yaml': policyFile('hr', ['eu-central-1', 'eu-west-1']),
    });
  }

  /** Ends agent and hub, and removes what they left in the cluster. */
  async closeHub(): Promise<void> {
    await this.agent?.stop();
    this.agent = undefined;
    await this.hub.close();
    this.repository.remove();
    for (const { metadata } of await this.policies()) {
      const ref = { namespace: SYSTEM_NAMESPACE, name: metadata.name };
      await this.client.mergePatch(SOVEREIGN_POLICY_KIND, ref, { metadata: { finalizers: null } }, never);
    }
    await this.client.raw({ method: 'DELETE', path: POLICIES_PATH }, never);
    await this.client.raw({ method: 'DELETE', path: `/api/v1/namespaces/${SYSTEM_NAMESPACE}/configmaps` }, never);
  }

  /** Starts an agent that takes commits in, and whose rounds write them. */
  async startAgent(hubUrl = this.hub.url, token = 'secret', definitions?: CustomResourceDefinition[]): Promise<StreamAgent> {
    const ended = new AbortController();
    const { signal } = ended;
    const runtime = { client: this.#asAgent, clock: systemClock, random: () => 0, logger };
    const observatory = new LiveObservatory({ policies: new Map(), cluster: FACTS });
    const outbox = new EventOutbox({ clock: systemClock, logger });
    observatory.onEvent((event) => outbox.add(event));
    const rounds = await startRounds({ runtime, observatory, definitions: definitions ?? (await readDefinitions()) }, signal);
    const config = { hubUrl, token, cluster: 'eu', agentVersion: 'test', trust: { mode: 'off' } as const };
    const { revisions } = rounds.controller;
    const stream = await startStream(
      { runtime, config, policies: rounds.view.policies, places: rounds.view.places, revisions, observatory, outbox },
      signal,
    );
    this.agent = {
      stream,
      observatory,
      stop: async () => {
        ended.abort();
        await Promise.all([stream.done, rounds.done]);
      },
    };
    return this.agent;
  }

  /** The policies in the cluster. */
  policies(): Promise<SovereignPolicy[]> {
    return this.client.list(SOVEREIGN_POLICY_KIND, { namespace: SYSTEM_NAMESPACE }, never);
  }

  async policyNames(): Promise<string[]> {
    return (await this.policies()).map(({ metadata }) => metadata.name);
  }

  policy(name: string): Promise<SovereignPolicy | undefined> {
    return this.client.get(SOVEREIGN_POLICY_KIND, { namespace: SYSTEM_NAMESPACE, name }, never);
  }

  /** Waits until the hub has got so many hellos. */
  connected(times = 1): Promise<void> {
    return waitFor(() => expect(this.hub.got('hello').length).toBeGreaterThanOrEqual(times));
  }

  acked(revision: string): Promise<void> {
    return waitFor(() => expect(this.hub.got('ack').map((ack) => ack.revision)).toContain(revision));
  }

  nackOf(revision: string) {
    return waitFor(() => {
      const nack = this.hub.got('nack').find((each) => each.revision === revision);
      if (nack === undefined) throw new Error('no nack yet');
      return nack;
    });
  }

  /** @param holds the commit whose objects the agent has; null: none */
  async offerAndAck(revision: string, holds: string | null): Promise<WholeOffer> {
    const offer = await this.repository.offer(revision, holds);
    this.hub.send(offer);
    await this.acked(revision);
    return offer;
  }
}

/** Call at the top of a test file. @param name of the cluster */
export const useStream = (name: string): StreamHarness => {
  const harness = new StreamHarness(name);
  beforeAll(() => harness.open());
  afterAll(() => harness.close());
  beforeEach(() => harness.openHub());
  afterEach(() => harness.closeHub());
  return harness;
};
