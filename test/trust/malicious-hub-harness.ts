import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalCluster } from '@fso/clusters/local';
import { AGENT_STATE, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { objectId } from '@fso/shared/git';
import { CONFIG_MAP_KIND, type KubeClient, SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import { afterAll, beforeAll, expect } from 'vitest';
import { type AgentProcess, type AgentProcessOptions, startAgentProcess } from '../harness/agent-process.ts';
import { makeObjectRepository, type ObjectRepository, type WholeOffer } from '../harness/git-objects.ts';
import { openKubeClient } from '../harness/kube-client.ts';
import { startTestCluster } from '../harness/local-cluster.ts';
import { clusterFile, policyFile } from '../harness/policy-files.ts';
import { type ScriptedHub, startScriptedHub } from '../harness/scripted-hub.ts';
import { never, waitFor } from '../harness/waiting.ts';
import { openSigningBench, type SigningBench, type SshKey } from './signing-bench.ts';

/**
 * Memory of an agent in the chart: `resources.limits.memory`, about half of which V8 uses for its
 * heap.
 */
export const CHART = { memoryMb: 512, heapMb: 256 };

/** Files of a commit that would let finance out of the EU. */
export const weaker = { 'policies/finance.yaml': policyFile('finance', ['us-east-1']) };

export const idOf = (text: string): string => objectId('blob', Buffer.from(text));

/** Real agent with a hub that a test controls, and a repository of signed and unsigned commits. */
class MaliciousHubHarness {
  readonly folder = mkdtempSync(join(tmpdir(), 'fso-malicious-'));
  readonly #cleanups: (() => unknown)[] = [];
  /** Key of Ana, who is a signer. Bob and Eve are not. */
  ana: SshKey | undefined;
  bob: SshKey | undefined;
  eve: SshKey | undefined;
  cluster!: LocalCluster;
  client!: KubeClient;
  hub!: ScriptedHub;
  agent!: AgentProcess;
  keys!: SigningBench;
  repository!: ObjectRepository;
  /** Revision that the agent last accepted. */
  head = '';
  #notes = 0;

  async open(): Promise<void> {
    const { folder } = this;
    this.cleanUp(() => rmSync(folder, { recursive: true, force: true }));
    this.keys = openSigningBench();
    this.cleanUp(() => this.keys.close());
    [this.ana, this.bob, this.eve] = ['ana', 'bob', 'eve'].map((name) => this.keys.sshKey(name, '-t', 'ed25519'));
    this.cluster = await startTestCluster({ name: 'eu', stateDir: folder, regions: ['eu-west-1'], gatekeeper: false }, never);
    this.cleanUp(() => this.cluster.stop());
    this.client = openKubeClient({ kubeconfig: this.cluster.kubeconfig });
    this.cleanUp(() => this.client.close());
    this.hub = await startScriptedHub();
    this.cleanUp(() => this.hub.close());
    this.repository = makeObjectRepository();
    this.cleanUp(() => this.repository.remove());
    this.signAs(this.ana);
    this.agent = await this.startAgent(this.hub.url);
    this.cleanUp(() => this.agent.stop());
    await this.greeted(1);
    this.head = this.repository.commit({
      'clusters/eu.yaml': clusterFile('eu', ['eu-west-1', 'eu-central-1']),
      'clusters/us.yaml': clusterFile('us', ['us-east-1']),
      'policies/finance.yaml': policyFile('finance'),
      'policies/hr.yaml': policyFile('hr', ['eu-central-1']),
      'policies/us.yaml': `${policyFile('us-only', ['us-east-1'])}  placement: { clusterNames: [us] }\n`,
    });
    this.hub.send(await this.repository.offer(this.head, null));
    await this.acked(this.head);
  }

  /** Registers a clean-up, which runs at the end, the last one first. */
  cleanUp(cleanup: () => unknown): void {
    this.#cleanups.push(cleanup);
  }

  async close(): Promise<void> {
    for (const cleanup of this.#cleanups.reverse()) await cleanup();
  }

  /** @param key key that signs the next commits; null for unsigned ones */
  signAs(key: SshKey | null | undefined): void {
    this.repository.git('config', 'gpg.format', 'ssh');
    this.repository.git('config', 'user.signingKey', key?.file ?? '');
    this.repository.git('config', 'commit.gpgSign', String(key !== null));
  }

  startAgent(hubUrl: string, options: Pick<AgentProcessOptions, 'until'> & { readonly preview?: string } = {}): Promise<AgentProcess> {
    const signers = join(this.folder, 'allowed_signers');
    writeFileSync(signers, `ana@example.org ${this.ana?.line}\n`);
    const env = { FSO_HUB_URL: hubUrl, FSO_HUB_TOKEN: 'secret', FSO_SIGNERS_FILE: signers };
    const { preview, ...others } = options;
    const settings = { ...env, ...(preview && { FSO_PREVIEW: preview }), NODE_OPTIONS: `--max-old-space-size=${CHART.heapMb}` };
    return startAgentProcess(this.cluster, { ...others, folder: this.folder, env: settings });
  }

  greeted(times: number): Promise<void> {
    return waitFor(() => expect(this.hub.got('hello').length).toBeGreaterThanOrEqual(times));
  }

  acked(revision: string): Promise<void> {
    return waitFor(() => expect(this.hub.got('ack').map((ack) => ack.revision)).toContain(revision));
  }

  /** Returns all objects in the cluster that follow from the commit in force. */
  async standing() {
    const signal = never;
    const policies = await this.client.list(SOVEREIGN_POLICY_KIND, { namespace: SYSTEM_NAMESPACE }, signal);
    const state = await this.client.get(CONFIG_MAP_KIND, { namespace: SYSTEM_NAMESPACE, name: AGENT_STATE }, signal);
    const { verified: _ahead, ...data } = state?.data ?? {};
    return {
      policies: policies.map(({ metadata, spec }) => [metadata.name, metadata.generation, spec]),
      state: [data, Reflect.get(Object(state), 'binaryData')],
    };
  }

  /** Runs an attack that must change nothing. @returns the codes of the refusal */
  async refusalOf(revision: string, attack: () => Promise<void> | void): Promise<(string | undefined)[]> {
    const before = await this.standing();
    const seen = this.hub.got('nack').length;
    const hellos = this.hub.got('hello').length;
    await attack();
    const nack = await waitFor(() => {
      const found = this.hub
        .got('nack')
        .slice(seen)
        .find((each) => each.revision === revision);
      if (found === undefined) throw new Error('no nack yet');
      return found;
    });
    const codes = nack.reasons.map(({ code }) => code);
    // The agent requests missing objects over a new connection.
    if (codes.includes('object-missing') || nack.reasons[0]?.message.match(/missing|not all there/)) await this.greeted(hellos + 1);
    expect(await this.standing()).toEqual(before);
    expect(nack.reasons.every(({ message }) => message.length > 20)).toBe(true);
    return codes;
  }

  /** Creates a commit that the agent never gets, and returns to the accepted one. */
  aside(files: Record<string, string | undefined>, key: SshKey | null | undefined = this.ana): string {
    this.signAs(key);
    const id = this.repository.commit(files);
    this.signAs(this.ana);
    this.repository.git('reset', '--quiet', '--hard', this.head);
    return id;
  }

  /** Returns a full offer, since an agent that misses objects keeps none of them. */
  offerOf(revision: string): Promise<WholeOffer> {
    return this.repository.offer(revision, null, this.head);
  }

  /** Checks that an honest offer is still accepted. */
  async goesOn(files: Record<string, string> = {}): Promise<void> {
    this.#notes += 1;
    const note = policyFile('note', ['eu-west-1', `eu-north-${this.#notes}`]);
    const next = this.repository.commit({ 'policies/note.yaml': note, ...files });
    this.hub.send(await this.offerOf(next));
    await this.acked(next);
    this.head = next;
  }

  memoryPeakMb(): number {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${this.agent.pid}/status`, 'utf8'))?.[1]) / 1024;
  }
}

/** Call at the top of a test file. */
export const useMaliciousHub = (): MaliciousHubHarness => {
  const bench = new MaliciousHubHarness();
  beforeAll(() => bench.open());
  afterAll(() => bench.close());
  return bench;
};
