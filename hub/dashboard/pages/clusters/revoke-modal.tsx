import { useMutation, useQueryClient } from '@tanstack/react-query';
import { keys } from '../../api/keys.ts';
import { revokeCluster } from '../../api/mutations.ts';
import { showToast } from '../../components/toasts.tsx';
import { ConfirmModal } from './confirm-modal.tsx';

export const RevokeModal = ({ cluster, onClose }: { readonly cluster: string; readonly onClose: () => void }) => {
  const client = useQueryClient();
  const revoke = useMutation({
    mutationFn: () => revokeCluster(cluster),
    onSuccess: async () => {
      showToast({ variant: 'success', title: `${cluster} is revoked` });
      onClose();
      await client.invalidateQueries({ queryKey: keys.clusters.all });
    },
  });
  return (
    <ConfirmModal cluster={cluster} action="Revoke" failure="It was not revoked" mutation={revoke} onClose={onClose}>
      Its certificates and tokens are worth nothing any more, and its stream is closed. The cluster goes on enforcing what it has, and the
      hub hears nothing of it until it enrols anew with a new token.
    </ConfirmModal>
  );
};
