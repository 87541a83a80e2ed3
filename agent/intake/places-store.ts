import { AGENT_REGIONS, FIELD_MANAGERS, RegionCatalogSpec, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { canonicalJson, sha256 } from '@fso/shared/encoding';
import { CONFIG_MAP_KIND, type ConfigMap, type KubeClient } from '@fso/shared/kube';
import { z } from 'zod';
import type { CommitPlaces } from '../cache/index.ts';
import { definedOnly } from '../compare.ts';
import { packJson, unpackJson } from '../config-map-store.ts';

/**
 * Longest packed places, in characters. A repository file is smaller, and a ConfigMap has room for
 * two commits.
 */
const MAX_LENGTH = 480 * 1024;
/** Bounds the memory that tampered data can take once unpacked. */
const MAX_UNPACKED_BYTES = 8 * 1024 * 1024;

const StoredPlaces = z.strictObject({ catalog: RegionCatalogSpec.optional(), provider: z.string().max(63).optional() });

/** SHA-256 (hex) of a commit's places; undefined if it has none. */
export const digestOfPlaces = ({ catalog, provider }: CommitPlaces): string | undefined =>
  catalog === undefined && provider === undefined ? undefined : sha256(canonicalJson(definedOnly({ catalog, provider })));

const ref = { namespace: SYSTEM_NAMESPACE, name: AGENT_REGIONS };

/** Gets the ConfigMap of the stored places. @throws the error of the API server */
export const getPlaces = (client: KubeClient, signal: AbortSignal): Promise<ConfigMap | undefined> =>
  client.get(CONFIG_MAP_KIND, ref, signal);

/**
 * Reads the places with a digest, so that nodes can be judged after a restart without a hub.
 *
 * @throws Error if they are missing or differ from the accepted ones
 */
export const readPlaces = async (stored: ConfigMap | undefined, digest: string | undefined): Promise<CommitPlaces> => {
  if (digest === undefined) return {};
  const packed = stored?.binaryData?.[digest];
  if (packed === undefined) throw new Error(`ConfigMap ${AGENT_REGIONS} has no catalogue of regions with the digest ${digest}`);
  const places = StoredPlaces.parse(await unpackJson(packed, MAX_UNPACKED_BYTES));
  if (digestOfPlaces(places) !== digest) throw new Error(`the catalogue of regions in ConfigMap ${AGENT_REGIONS} is not what was accepted`);
  return places;
};

/**
 * Stores the places of a commit that is about to be accepted, and keeps those of the commit before
 * it: an agent that ends in between resumes with the latter.
 *
 * @param kept digest of the places of the commit before
 * @throws the error of the API server
 */
export const savePlaces = async (
  client: KubeClient,
  places: CommitPlaces,
  kept: string | undefined,
  signal: AbortSignal,
): Promise<void> => {
  const digest = digestOfPlaces(places);
  if (digest === kept || digest === undefined) return;
  const packed = await packJson(places);
  if (packed.length > MAX_LENGTH) throw new Error(`the catalogue of regions is too large to be kept (${packed.length} characters packed)`);
  const before = kept && (await getPlaces(client, signal))?.binaryData?.[kept];
  const body: ConfigMap = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: ref,
    binaryData: { [digest]: packed, ...(kept !== undefined && before && { [kept]: before }) },
  };
  await client.apply(CONFIG_MAP_KIND, body, { fieldManager: FIELD_MANAGERS.intake, force: true }, signal);
};
