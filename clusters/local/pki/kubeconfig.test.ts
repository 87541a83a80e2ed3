import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { renderKubeconfig } from './kubeconfig.ts';

it.each(['eu', 'off', 'no', '1e3'])('names its cluster %s in the YAML of Kubernetes, which is 1.1', (cluster) => {
  const client = { certificate: 'c', key: 'k' };
  const text = renderKubeconfig({ cluster, user: 'admin', server: 'https://127.0.0.1:1', authority: 'a', client });
  expect(parse(text, { version: '1.1' })).toMatchObject({ 'current-context': cluster, clusters: [{ name: cluster }] });
});
