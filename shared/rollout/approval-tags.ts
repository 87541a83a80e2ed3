/** Name of the signed tag that approves a commit for a wave. */
export const approvalTag = (revision: string, wave: string): string => `fso/approve/${revision}/${wave}`;

/** Name of the signed tag that takes approvals of a commit for a wave back. */
export const revocationTag = (revision: string, wave: string): string => `fso/revoke/${revision}/${wave}`;
