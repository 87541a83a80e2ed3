/** Name of the signed tag that approves a commit for a wave. */
export const approvalTag = (revision: string, wave: string): string => `fso/approve/${revision}/${wave}`;

/** Name of the signed tag that lets a commit with the trailer `Rollout: immediate` skip waves. */
export const immediateTag = (revision: string): string => `fso/immediate/${revision}`;

/**
 * Name of the signed tag that revokes the approvals of a commit for a wave. Any such tag also
 * revokes the {@link immediateTag} of the commit.
 */
export const revocationTag = (revision: string, wave: string): string => `fso/revoke/${revision}/${wave}`;
