import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { keys } from '../../api/keys.ts';
import { forgetCluster } from '../../api/mutations.ts';
import { showToast } from '../../components/toasts.tsx';
import { ConfirmModal } from './confirm-modal.tsx';

export const ForgetModal = ({ cluster, onClose }: { readonly cluster: string; readonly onClose: () => void }) => {
  const client = useQueryClient();
  const navigate = useNavigate();
  const forget = useMutation({
    mutationFn: () => forgetCluster(cluster),
    onSuccess: async () => {
      showToast({ variant: 'success', title: `${cluster} is forgotten` });
      // Its page has nothing to show any more.
      await navigate({ to: '/clusters' });
      await client.invalidateQueries({ queryKey: keys.clusters.all });
    },
  });
  return (
    <ConfirmModal cluster={cluster} action="Forget" failure="It was not forgotten" mutation={forget} onClose={onClose}>
      What it last reported is removed, and its certificates and tokens are worth nothing any more. Its events and what the audit log says
      of it stay.
    </ConfirmModal>
  );
};
