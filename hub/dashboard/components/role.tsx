import { ROLES, type Role } from '@fso/shared/api';
import { Button, type ButtonProps, Tooltip } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { sessionQuery } from '../api/session.ts';

const covers = (role: Role | null, wanted: Role): boolean => role !== null && ROLES.indexOf(role) >= ROLES.indexOf(wanted);

/** @returns why whoever is signed in may not do what needs a role; undefined: they may */
const useWhyNot = (wanted: Role): string | undefined => {
  const { data: session } = useQuery(sessionQuery);
  if (session === undefined) return 'Sign in first.';
  if (covers(session.role, wanted)) return undefined;
  return `You are ${session.name} with ${session.role === null ? 'no role' : `the role ${session.role}`}; this needs the role ${wanted}. Ask an administrator of this hub.`;
};

/** A button for those whose role covers it; others can reach it, and hear why it does nothing for them. */
export const RoleButton = ({ needs, ...button }: ButtonProps & { readonly needs: Role }) => {
  const whyNot = useWhyNot(needs);
  if (whyNot === undefined) return <Button {...button} />;
  return (
    <Tooltip content={whyNot}>
      <Button {...button} isAriaDisabled />
    </Tooltip>
  );
};
