import { existsSync } from 'node:fs';
import { installPackages, isRoot } from '../harness/debian.ts';

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
