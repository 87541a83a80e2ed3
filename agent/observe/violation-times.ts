import { AGENT_VIOLATIONS } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { z } from 'zod';
import { ConfigMapStore, type ConfigMapStoreDeps } from '../config-map-store.ts';

/** Times at which violations were first seen, by policy and pod. */
export type FirstSeenTimes = ReadonlyMap<string, string>;

const Stored = z.record(z.string(), z.iso.datetime());

/**
 * Most times that are stored, at about 30 bytes each when packed: a ConfigMap may have 1 MiB. The
 * oldest violations are kept.
 */
const MAX_KEPT = 25_000;

/**
 * Store of the times at which reported violations were first seen. It keeps violations from looking
 * new after a restart or a change of leader.
 */
export type ViolationTimeStore = ConfigMapStore<FirstSeenTimes>;

/** Creates the store in ConfigMap `fso-agent-violations`. */
export const createViolationTimeStore = (deps: ConfigMapStoreDeps): ViolationTimeStore =>
  new ConfigMapStore<FirstSeenTimes>(
    {
      name: AGENT_VIOLATIONS,
      key: 'times',
      empty: new Map(),
      parse: (json) => new Map(Object.entries(Stored.parse(json))),
      toJson: (times) => Object.fromEntries(oldest(times)),
      isSame: (a, b) => a.size === b.size && [...a].every(([id, since]) => b.get(id) === since),
    },
    deps,
  );

const oldest = (times: FirstSeenTimes): readonly (readonly [string, string])[] =>
  times.size <= MAX_KEPT ? [...times] : [...times].sort(([, a], [, b]) => byText(a, b)).slice(0, MAX_KEPT);
