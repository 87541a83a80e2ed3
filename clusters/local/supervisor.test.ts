import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { never } from '../../test/harness/waiting.ts';
import { type ClusterState, clusterPaths, makeFolders } from './state.ts';
import { Supervisor } from './supervisor.ts';

const STATE: ClusterState = {
  version: 1,
  name: 'eu',
  provider: 'local',
  regions: [],
  gatekeeper: false,
  gatekeeperAuditSeconds: 60,
  ports: { etcd: 1, etcdPeer: 2, apiServer: 3, webhook: 4, gatekeeperHealth: 5, gatekeeperMetrics: 6 },
  processes: {},
};

/** A supervisor whose kwok is a script, which can keep files in $HOME. */
const supervise = (script: string) => {
  const folder = mkdtempSync(join(tmpdir(), 'fso-supervisor-'));
  const paths = clusterPaths(folder, 'eu');
  makeFolders(paths);
  const tools = { kwok: join(folder, 'tools') };
  mkdirSync(tools.kwok);
  writeFileSync(join(tools.kwok, 'kwok'), `#!/bin/sh\n${script}\n`);
  chmodSync(join(tools.kwok, 'kwok'), 0o755);
  const lines: string[] = [];
  const supervisor = new Supervisor({ paths, state: structuredClone(STATE), tools, log: (line) => lines.push(line) }, never);
  onTestFinished(async () => {
    await supervisor.stop('kwok', 'SIGKILL');
    rmSync(folder, { recursive: true });
  });
  return { supervisor, lines };
};

describe('Supervisor', () => {
  it('restarts a program that ends during a wait, and reports it', async () => {
    const { supervisor, lines } = supervise('test -f "$HOME/again" && exec sleep 600; touch "$HOME/again"');
    await supervisor.start('kwok');
    const wait = () => supervisor.until('it is started again', async () => lines.length > 0);
    await Promise.all([wait(), wait()]);
    expect(supervisor.running('kwok')).toBe(true);
    expect(lines).toEqual([expect.stringMatching(/^kwok ended while starting, see .*kwok\.log; it is started again$/)]);
  });

  it('gives up on one that ends again and again, with the end of its log', async () => {
    const { supervisor, lines } = supervise('echo "no such flag"');
    await supervisor.start('kwok');
    const waiting = supervisor.until('nodes are Ready', async () => false);
    await expect(waiting).rejects.toThrow(/kwok of cluster eu ended 4 times while starting.*no such flag/s);
    expect(lines).toHaveLength(3);
  });
});
