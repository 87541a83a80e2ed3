import type { EnrolmentTokenView, EnrolmentView, ForgottenCluster } from '@fso/shared/api';
import { deleteJson, postJson } from './client.ts';

/** What administrators do about how a cluster proves itself. */

const pathOf = (cluster: string): string => `/api/v1/clusters/${encodeURIComponent(cluster)}`;

/** @throws ApiProblem where agents do not enrol at this hub, or the role does not cover it */
export const createEnrolmentToken = (cluster: string): Promise<EnrolmentTokenView> => postJson(`${pathOf(cluster)}/enrolment-token`);
/** @throws ApiProblem as above */
export const revokeCluster = (cluster: string): Promise<EnrolmentView> => postJson(`${pathOf(cluster)}/revoke`);
/** @throws ApiProblem where the cluster is registered or connected, or the role does not cover it */
export const forgetCluster = (cluster: string): Promise<ForgottenCluster> => deleteJson(pathOf(cluster));
