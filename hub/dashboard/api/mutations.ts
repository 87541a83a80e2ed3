import type { EnrolmentTokenView, EnrolmentView, ForgottenCluster, LogoutView, SessionView } from '@fso/shared/api';
import { deleteJson, postJson } from './client.ts';

/** What administrators do about how a cluster proves itself. */

const pathOf = (cluster: string): string => `/api/v1/clusters/${encodeURIComponent(cluster)}`;

/** @throws ApiProblem where agents do not enrol at this hub, or the role does not cover it */
export const createEnrolmentToken = (cluster: string): Promise<EnrolmentTokenView> => postJson(`${pathOf(cluster)}/enrolment-token`);
/** @throws ApiProblem as above */
export const revokeCluster = (cluster: string): Promise<EnrolmentView> => postJson(`${pathOf(cluster)}/revoke`);
/** @throws ApiProblem where the cluster is registered or connected, or the role does not cover it */
export const forgetCluster = (cluster: string): Promise<ForgottenCluster> => deleteJson(pathOf(cluster));

/** @throws ApiProblem where the hub does not know the token */
export const signInWithToken = (token: string): Promise<SessionView> => postJson('/auth/token', { token });
export const signOut = (): Promise<LogoutView> => postJson('/auth/logout');
/** The hub looks at the policy repository now. @throws ApiProblem where the role does not cover it */
export const fetchSource = (): Promise<unknown> => postJson('/api/v1/source/fetch');
