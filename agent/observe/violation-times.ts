import { AGENT_VIOLATIONS } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { z } from 'zod';
import { ConfigMapStore, type ConfigMapStoreDeps } from '../config-map-store.ts';

/** Times at which violations were first seen, by policy and pod. */
export type FirstSeenTimes = ReadonlyMap<string, string>;

const Stored = z.record(z.string(), z.iso.datetime());

/** About 30 bytes each, packed: a ConfigMap ends at 1 MiB. The oldest are kept. */
const MAX_KEPT = 25_000;

/**
 * Store of the times at which the reported violations were first seen. After a restart of the
 * agent, or a change of leaders, violations must not seem to have just begun.
 */
export type ViolationTimeStore = ConfigMapStore<FirstSeenTimes>;

/** Stores when the reported violations were first seen, in ConfigMap `fso-agent-violations`. */
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
