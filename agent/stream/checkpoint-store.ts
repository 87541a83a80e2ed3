import { AGENT_STATE, FIELD_MANAGERS, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { CONFIG_MAP_KIND, type ConfigMap, type KubeClient } from '@fso/shared/kube';
import { Checkpoint } from '@fso/shared/protocol';

/** The last checkpoint of the hub's audit log that was kept; undefined also where it cannot be read as one. @throws what the API server answered */
export const loadCheckpoint = async (client: KubeClient, signal: AbortSignal): Promise<Checkpoint | undefined> => {
  const map = await client.get(CONFIG_MAP_KIND, { namespace: SYSTEM_NAMESPACE, name: AGENT_STATE }, signal);
  try {
    return Checkpoint.parse(JSON.parse(map?.data?.['checkpoint'] ?? ''));
  } catch {
    return undefined;
  }
};

/** Under a name of its own, so that it stands beside the accepted state. @throws what the API server answered */
export const saveCheckpoint = async (client: KubeClient, checkpoint: Checkpoint, signal: AbortSignal): Promise<void> => {
  const body: ConfigMap = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { namespace: SYSTEM_NAMESPACE, name: AGENT_STATE },
    data: { checkpoint: JSON.stringify(checkpoint) },
  };
  await client.apply(CONFIG_MAP_KIND, body, { fieldManager: FIELD_MANAGERS.witness, force: true }, signal);
};
