import { chmod, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pino from 'pino';
import { expect, it } from 'vitest';
import { openHubHarness } from '../harness/hub-harness.ts';

it('a hub warns only about secret files that other users of its machine may use', async () => {
  const bench = await openHubHarness();
  const logged: { level: number; path?: string; mode?: string }[] = [];
  const logger = pino({}, { write: (line: string) => void logged.push(JSON.parse(line)) });
  const given = join(bench.folder, 'agent-tls.key');
  const start = () => bench.startHub({ config: { identity: { ca: undefined, hostnames: [] }, keyFiles: [given] }, deps: { logger } });
  const warned = () => logged.flatMap(({ level, path, mode }) => (level === 40 && path !== undefined ? [[path, mode]] : []));
  const data = join(bench.folder, 'hub');
  const own = ['audit-key.pem', 'identity', 'identity/ca.key'].map((name) => join(data, name));
  try {
    await (await start()).stop();
    expect(warned()).toEqual([]);
    await writeFile(given, '', { mode: 0o644 });
    for (const path of own) await chmod(path, path.endsWith('identity') ? 0o750 : 0o640);
    await (await start()).stop();
    expect(warned()).toEqual([
      [own[0], '0640'],
      [own[1], '0750'],
      [own[2], '0640'],
      [given, '0644'],
    ]);
  } finally {
    await bench.close();
  }
});

it('a hub whose agents have tokens and pin its CA does not replace the CA that it lost in silence', async () => {
  const bench = await openHubHarness();
  const start = () => bench.startHub({ config: { identity: { ca: undefined, hostnames: [] } } });
  const folder = join(bench.folder, 'hub', 'identity');
  try {
    await (await start()).stop();
    const pinned = await readFile(join(folder, 'ca.crt'), 'utf8');
    await rm(folder, { recursive: true });
    await expect(start()).rejects.toThrow(
      /ca.crt and ca.key missing\. Put back what is missing.* make an empty file .*new-ca and start the hub/,
    );
    await writeFile(join(folder, 'new-ca'), '');
    await (await start()).stop();
    await (await start()).stop();
    expect(await readFile(join(folder, 'ca.crt'), 'utf8')).not.toBe(pinned);
  } finally {
    await bench.close();
  }
});
