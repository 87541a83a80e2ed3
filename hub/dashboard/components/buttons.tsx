import { isUnscoped, ROLES, type Role } from '@fso/shared/api';
import { Button, type ButtonProps, ClipboardCopy, type ClipboardCopyProps, Tooltip } from '@patternfly/react-core';
import CopyIcon from '@patternfly/react-icons/dist/esm/icons/copy-icon';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { sessionQuery } from '../api/session.ts';

interface CopyButtonProps extends Pick<ButtonProps, 'size' | 'variant'> {
  readonly text: string;
  /** Label of the button, e.g. `Copy the whole id`. */
  readonly label: string;
  /** Whether the button is only an icon, whose label appears on hover and focus. */
  readonly isIcon?: boolean;
}

/**
 * Copies a text. Renders nothing if the browser offers no clipboard, as on pages from another
 * machine over plain HTTP.
 */
export const CopyButton = (props: CopyButtonProps) => (window.isSecureContext ? <Copy {...props} /> : null);

const Copy = ({ text, label, isIcon = false, ...look }: CopyButtonProps) => {
  const [copied, setCopied] = useState('');
  const says = copied === text ? 'Copied' : label;
  const copy = (): void => void navigator.clipboard.writeText(text).then(() => setCopied(text));
  const events = { onClick: copy, onBlur: () => setCopied('') };
  if (isIcon)
    return (
      <Tooltip content={says} aria="none" aria-live="polite">
        <Button variant="plain" hasNoPadding icon={<CopyIcon />} aria-label={label} {...events} />
      </Tooltip>
    );
  return (
    <Button icon={<CopyIcon />} {...look} {...events}>
      <span aria-live="polite">{says}</span>
    </Button>
  );
};

interface CopyableProps extends Pick<ClipboardCopyProps, 'isCode'> {
  readonly label: string;
  readonly children: string;
}

/** Text, by default a command, with a button that copies it. */
export const Copyable = ({ label, isCode = true, children }: CopyableProps) => (
  <ClipboardCopy isReadOnly isCode={isCode} hoverTip="Copy" clickTip="Copied" textAriaLabel={label}>
    {children}
  </ClipboardCopy>
);

const covers = (role: Role | null, wanted: Role): boolean => role !== null && ROLES.indexOf(role) >= ROLES.indexOf(wanted);

/**
 * @returns why the signed-in user may not do this: the role is missing, or covers only a part of
 * the fleet; undefined if they may
 */
const useWhyNot = (wanted: Role, isForAll: boolean): string | undefined => {
  const { data: session } = useQuery(sessionQuery);
  if (session === undefined) return 'Sign in first.';
  const counting = session.grants.filter((grant) => !isForAll || isUnscoped(grant));
  if (counting.some(({ role }) => covers(role, wanted))) return undefined;
  const part = covers(session.role, wanted) ? ' for everything' : '';
  return `You are ${session.name} with ${session.role === null ? 'no role' : `the role ${session.role}`}; this needs the role ${wanted}${part}. Ask an administrator of this hub.`;
};

type RoleButtonProps = ButtonProps & {
  readonly needs: Role;
  /** Whether the role must cover the whole hub. */
  readonly isForAll?: boolean;
};

/** Button for users with a role. Others can focus it to read why they may not use it. */
export const RoleButton = ({ needs, isForAll = false, ...button }: RoleButtonProps) => {
  const whyNot = useWhyNot(needs, isForAll);
  if (whyNot === undefined) return <Button {...button} />;
  return (
    <Tooltip content={whyNot}>
      <Button {...button} isAriaDisabled />
    </Tooltip>
  );
};
