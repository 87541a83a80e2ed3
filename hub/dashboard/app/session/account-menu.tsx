import type { SessionView } from '@fso/shared/api';
import { Dropdown, DropdownItem, DropdownList, MenuToggle } from '@patternfly/react-core';
import UserIcon from '@patternfly/react-icons/dist/esm/icons/user-icon';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useRouter } from '@tanstack/react-router';
import { useState } from 'react';
import { sessionQuery, signOut, useScope } from '../../api/session.ts';
import { showToast } from '../../components/toasts.tsx';
import { toWebUrl } from '../../lib/links.ts';

const describe = ({ name, role }: SessionView): string => `${name} (${role ?? 'no role'})`;

const useSignOut = () => {
  const client = useQueryClient();
  const router = useRouter();
  return useMutation({
    mutationFn: signOut,
    onSuccess: ({ endSessionUrl }) => {
      client.clear();
      const url = toWebUrl(endSessionUrl ?? '');
      if (url === undefined) void router.navigate({ to: '/login' });
      else window.location.assign(url);
    },
    onError: (error) => showToast({ variant: 'danger', title: `Could not sign out: ${error.message}` }),
  });
};

/** Menu of the signed-in user: name, role, third-party notices and sign-out. */
export const AccountMenu = () => {
  const { data: session } = useQuery(sessionQuery);
  const [isOpen, setOpen] = useState(false);
  const leave = useSignOut();
  const scope = useScope();
  if (session === undefined) return null;
  const isAnonymous = session.kind === 'anonymous';
  return (
    <Dropdown
      isOpen={isOpen}
      onOpenChange={setOpen}
      onSelect={() => setOpen(false)}
      popperProps={{ position: 'right' }}
      toggle={(ref) => (
        <MenuToggle
          ref={ref}
          variant="plainText"
          isExpanded={isOpen}
          onClick={() => setOpen(!isOpen)}
          icon={<UserIcon />}
          aria-label={`Account: ${describe(session)}`}
        >
          <span className="fso-account-name">{session.name}</span>
        </MenuToggle>
      )}
    >
      <DropdownList>
        <DropdownItem
          isDisabled
          description={
            isAnonymous
              ? 'This hub runs without authentication; no sign-in is needed.'
              : `Role: ${session.role ?? 'none'}${scope === undefined ? '' : `. You see: ${scope}.`}`
          }
        >
          {session.name}
        </DropdownItem>
        <DropdownItem to="/third-party-notices.txt" target="_blank">
          Third-party notices
        </DropdownItem>
        {isAnonymous ? null : <DropdownItem onClick={() => leave.mutate()}>Sign out</DropdownItem>}
      </DropdownList>
    </Dropdown>
  );
};
