import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '@fso/shared/runtime';
import { installPackages, isRoot } from '../harness/debian.ts';
import { cgroupTrees } from './node.ts';

/** Program → package of Debian that has it. */
const PROGRAMS: Readonly<Record<string, string>> = {
  '/usr/bin/containerd': 'containerd',
  '/usr/sbin/runc': 'runc',
  '/usr/lib/cni/bridge': 'containernetworking-plugins',
  '/usr/bin/buildah': 'buildah',
  '/usr/sbin/iptables': 'iptables',
  '/usr/bin/nsenter': 'util-linux',
};

const missing = (): string[] => Object.entries(PROGRAMS).flatMap(([file, name]) => (existsSync(file) ? [] : [name]));

/** Makes sure that nodes can run on this machine. @throws Error with what is missing */
export const assertMachine = async (): Promise<void> => {
  if (process.platform !== 'linux' || !isRoot())
    throw new Error('nodes with containerd and kubelet need Linux and root: sudo npm run test:deploy');
  if (missing().length > 0) await installPackages(...missing());
  if (missing().length > 0) throw new Error(`install these packages first: ${missing().join(', ')}`);
};

/** Commands that a node runs first: mounts, layers of images, and a network of its own. */
const TRIAL = [
  'mount -t tmpfs tmpfs /tmp',
  'mkdir /tmp/lower /tmp/upper /tmp/work /tmp/merged',
  'mount -t overlay overlay -o lowerdir=/tmp/lower,upperdir=/tmp/upper,workdir=/tmp/work /tmp/merged',
  'ip link add trial0 type veth peer name trial1',
  'iptables --table nat --list',
].join(' && ');

/**
 * Tries what nodes need, as machines differ in what they let root do. @returns why none can run
 * here; undefined: they can
 */
export const whyNoNodes = async (): Promise<string | undefined> => {
  try {
    await assertMachine();
    for (const tree of cgroupTrees()) {
      const folder = join(tree, `fso-trial-${process.pid}`);
      mkdirSync(folder);
      rmdirSync(folder);
    }
    const namespaces = ['--mount', '--pid', '--net', '--fork', '--kill-child', '--mount-proc'];
    await promisify(execFile)('unshare', [...namespaces, 'sh', '-ec', TRIAL], { timeout: 60_000 });
    return undefined;
  } catch (error) {
    return messageOf(error).split('\n').slice(0, 2).join(' ');
  }
};
