import type { ClientCertificate } from '../../../agent/stream/hub-socket.ts';
import { createHubClient, type HubClient } from '../../../hub/cli/client/api-client.ts';
import { useToken } from '../../harness/enrolment-client.ts';
import type { HubProcess } from '../../harness/hub-process.ts';
import type { AgentProof } from './orders.ts';

const AT_ONCE = 8;
const TOKEN_SECONDS = 600;

const enrolOne = async (hub: HubProcess, client: HubClient, cluster: string, ca: string): Promise<ClientCertificate> => {
  const { token } = await client.createEnrolmentToken(cluster, TOKEN_SECONDS);
  const { cert, key } = await useToken(hub, token, ca);
  return { cert, key, ca };
};

/** Enrols an agent for each cluster. @param admin the hub's CA, and an administrator's token */
export const enrolAll = async (
  hub: HubProcess,
  clusters: readonly string[],
  admin: { readonly ca: string; readonly token: string },
): Promise<readonly AgentProof[]> => {
  const client = createHubClient({ server: hub.url, token: admin.token });
  const waiting = [...clusters];
  const proofs: AgentProof[] = [];
  const work = async (): Promise<void> => {
    for (let cluster = waiting.shift(); cluster !== undefined; cluster = waiting.shift())
      proofs.push({ cluster, certificate: await enrolOne(hub, client, cluster, admin.ca) });
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return proofs;
};
