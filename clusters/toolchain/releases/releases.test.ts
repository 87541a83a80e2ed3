import { expect, it } from 'vitest';
import { GATEKEEPER_MANIFEST, KIND_TOOL, KUBECTL_TOOL, LOCAL_TOOLS } from '../modules.ts';
import { downloadFolder, downloadsOf, hostsOf, PINS_FILE, publishedFiles, readPins } from './releases.ts';

const modules = [...LOCAL_TOOLS, KUBECTL_TOOL, KIND_TOOL, GATEKEEPER_MANIFEST];
const published = modules.flatMap((module) => [...publishedFiles(module, 'linux/amd64'), ...publishedFiles(module, 'linux/arm64')]);

it('has no unused pins, such as those of another version', () => {
  const asked = new Set(published.map(({ pin }) => pin));
  expect(Object.keys(readPins(PINS_FILE)).filter((pin) => !asked.has(pin))).toEqual([]);
});

it('has one pin for an image and for a file of a repository, and one for each platform of a program', () => {
  const pinsOf = (name: string) => new Set(published.filter((file) => file.name === name).map(({ pin }) => pin.replace(/v[\d.]+/, 'V')));
  expect([...pinsOf('kube-apiserver')]).toEqual(['kube-apiserver V']);
  expect([...pinsOf('gatekeeper.yaml')]).toEqual(['gatekeeper.yaml V']);
  expect([...pinsOf('etcd')]).toEqual(['etcd V linux/amd64', 'etcd V linux/arm64']);
});

it('downloads into another folder if a checksum differs, and lists each host once', () => {
  const pins = (fill: string) => Object.fromEntries(published.map(({ pin }) => [pin, `sha256:${fill.repeat(64)}`]));
  const [one, other] = ['1', '2'].map((fill) => {
    const downloads = downloadsOf(KUBECTL_TOOL, pins(fill));
    return typeof downloads === 'string' ? expect.fail(downloads) : downloads;
  });
  expect(downloadFolder(KUBECTL_TOOL, one ?? [])).not.toBe(downloadFolder(KUBECTL_TOOL, other ?? []));
  expect(hostsOf([...(one ?? []), ...(other ?? [])])).toEqual(['dl.k8s.io']);
});
