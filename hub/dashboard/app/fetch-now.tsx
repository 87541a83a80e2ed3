import SyncAltIcon from '@patternfly/react-icons/dist/esm/icons/sync-alt-icon';
import { useMutation } from '@tanstack/react-query';
import { fetchSource } from '../api/session.ts';
import { RoleButton } from '../components/role.tsx';
import { showToast } from '../components/toasts.tsx';

/** Has the hub look at the policy repository now; what it finds comes over the stream. */
export const FetchNow = () => {
  const fetchNow = useMutation({
    mutationFn: fetchSource,
    onSuccess: () => showToast({ variant: 'success', title: 'The hub looks at the policy repository now.' }),
    onError: (error) => showToast({ variant: 'danger', title: `Could not fetch: ${error.message}` }),
  });
  return (
    <RoleButton
      needs="operator"
      variant="secondary"
      size="sm"
      icon={<SyncAltIcon />}
      isLoading={fetchNow.isPending}
      onClick={() => fetchNow.mutate()}
    >
      Fetch now
    </RoleButton>
  );
};
