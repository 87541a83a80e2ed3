/** Parts of an agent's reconcile that run independently, in the order in which they run. */
export const ROUND_PARTS = [
  'foundation',
  'guard',
  'floor',
  'governance',
  'index',
  'injection',
  'gatekeeper',
  'violations',
  'status',
] as const;
/** Part of a reconcile that runs, and fails, independently of the others. */
export type RoundPart = (typeof ROUND_PARTS)[number];

/** Kinds that an agent reads. */
export const OBSERVED_KINDS = [
  'SovereignPolicy',
  'FloorParameters',
  'Namespace',
  'Node',
  'Pod',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionPolicyBinding',
  'MutatingAdmissionPolicy',
  'MutatingAdmissionPolicyBinding',
  'ConstraintTemplate',
  'K8sGeoResidency',
  'ValidatingWebhookConfiguration',
  'CustomResourceDefinition',
  'APIService',
] as const;
/** Kind of objects for which an agent sends the age of its evidence. */
export type ObservedKind = (typeof OBSERVED_KINDS)[number];

/**
 * Evidence of an agent that can be out of date. `Pause`: nothing has been read yet since the agent
 * was suspended or the leader's term ended.
 */
export type Observation = 'Pause' | RoundPart | ObservedKind;

/**
 * Bit of each observation in a pong. Bits never change, as hub and agent may have different
 * versions.
 */
const BITS: Readonly<Record<Observation, number>> = {
  Pause: 0,
  foundation: 1,
  guard: 2,
  floor: 3,
  governance: 4,
  index: 5,
  injection: 6,
  gatekeeper: 7,
  violations: 8,
  status: 9,
  SovereignPolicy: 10,
  FloorParameters: 11,
  Namespace: 12,
  Node: 13,
  Pod: 14,
  ValidatingAdmissionPolicy: 15,
  ValidatingAdmissionPolicyBinding: 16,
  MutatingAdmissionPolicy: 17,
  MutatingAdmissionPolicyBinding: 18,
  ConstraintTemplate: 19,
  K8sGeoResidency: 20,
  ValidatingWebhookConfiguration: 21,
  CustomResourceDefinition: 22,
  APIService: 23,
};
const NAMES: ReadonlyMap<number, string> = new Map(Object.entries(BITS).map(([name, bit]) => [bit, name]));

/** Ages of the evidence that an agent's reports are based on, at the time of sending. */
export interface Ages {
  /**
   * Time in ms since the start of the last successful run of a part; of the part for which this is
   * longest ago.
   */
  readonly oldestPartMs: number;
  /** Time in ms since a kind was last seen; of the kind for which this is longest ago. */
  readonly oldestKindMs: number;
  /**
   * Parts and kinds that are out of date by the agent's own limits. Those unknown to this version
   * are `bit-<n>`.
   */
  readonly outOfDate: readonly string[];
}

const BYTES = 12;
const MAX_UINT32 = 2 ** 32 - 1;

const toUint32 = (ms: number): number => Math.min(MAX_UINT32, Math.max(0, Math.ceil(ms)));

/**
 * Encodes the payload of the pong in which an agent sends its ages: 12 bytes, three unsigned 32-bit
 * integers, big-endian.
 */
export const encodeAges = ({ oldestPartMs, oldestKindMs, outOfDate }: Ages): Buffer => {
  const data = Buffer.alloc(BYTES);
  data.writeUInt32BE(toUint32(oldestPartMs), 0);
  data.writeUInt32BE(toUint32(oldestKindMs), 4);
  const names = new Set(outOfDate);
  const bits = Object.entries(BITS).reduce((sum, [name, bit]) => (names.has(name) ? sum + 2 ** bit : sum), 0);
  data.writeUInt32BE(bits, 8);
  return data;
};

/**
 * Reads the ages of evidence from a pong.
 *
 * @returns undefined if the pong has no ages, as from an agent of an earlier version
 */
export const decodeAges = (data: Buffer): Ages | undefined => {
  if (data.length !== BYTES) return undefined;
  const bits = data.readUInt32BE(8);
  const outOfDate = Array.from({ length: 32 }, (_, bit) => bit)
    .filter((bit) => Math.floor(bits / 2 ** bit) % 2 === 1)
    .map((bit) => NAMES.get(bit) ?? `bit-${bit}`);
  return { oldestPartMs: data.readUInt32BE(0), oldestKindMs: data.readUInt32BE(4), outOfDate };
};
