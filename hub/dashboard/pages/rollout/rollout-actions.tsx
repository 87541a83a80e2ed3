import type { RolloutView } from '@fso/shared/api';
import { shortRevision } from '@fso/shared/text';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { pauseRollout, resumeRollout } from '../../api/client.ts';
import { keys } from '../../api/keys.ts';
import { RoleButton } from '../../components/buttons.tsx';
import { Dialog } from '../../components/dialog.tsx';
import { showToast } from '../../components/toasts.tsx';

interface ChangeProps {
  readonly title: string;
  /** Label of the button that confirms. */
  readonly action: string;
  readonly done: string;
  /** Consequence of the change. */
  readonly text: string;
  readonly change: () => Promise<RolloutView>;
  readonly onClose: () => void;
}

const ChangeModal = ({ title, action, done, text, change, onClose }: ChangeProps) => {
  const client = useQueryClient();
  const mutation = useMutation({
    mutationFn: change,
    onSuccess: (rollout) => {
      client.setQueryData(keys.rollout, rollout);
      showToast({ variant: 'success', title: done });
      onClose();
    },
    // The rollout may have progressed meanwhile.
    onError: () => client.invalidateQueries({ queryKey: keys.rollout }),
  });
  return (
    <Dialog
      title={title}
      submit={{ text: action, onClick: () => mutation.mutate(), isPending: mutation.isPending }}
      failure={['The rollout has not changed', mutation.error?.message]}
      onClose={onClose}
    >
      <p>{text}</p>
    </Dialog>
  );
};

const PauseModal = ({ rollout, onClose }: { readonly rollout: RolloutView; readonly onClose: () => void }) => (
  <ChangeModal
    title={`Pause the rollout of ${shortRevision(rollout.revision)}?`}
    action="Pause"
    done="The rollout is paused"
    text="No further cluster gets the commit, unless it changes nothing there or takes it back to what its wave has finished. Clusters that have it keep it."
    change={() => pauseRollout(rollout)}
    onClose={onClose}
  />
);

const resumeText = ({ paused, halted }: RolloutView): string => {
  if (paused !== null) return `The pause of ${paused.by} ends, and the soak of the wave begins again.`;
  return `This accepts what gate ${halted?.gate} of wave ${halted?.wave} has found: ${halted?.problem}. It fails again only by what comes in addition, and the soak of the wave begins again. The audit log says who accepted it.`;
};

const ResumeModal = ({ rollout, onClose }: { readonly rollout: RolloutView; readonly onClose: () => void }) => (
  <ChangeModal
    title={`Resume the rollout of ${shortRevision(rollout.revision)}?`}
    action="Resume"
    done="The rollout goes on"
    text={resumeText(rollout)}
    change={() => resumeRollout(rollout)}
    onClose={onClose}
  />
);

/** Buttons that pause and resume a rollout. The user confirms the state that was shown. */
export const RolloutActions = ({ rollout }: { readonly rollout: RolloutView }) => {
  const [pausing, setPausing] = useState<RolloutView>();
  const [resuming, setResuming] = useState<RolloutView>();
  const { paused, halted } = rollout;
  const button = { needs: 'operator', isForAll: true, size: 'sm' } as const;
  return (
    <>
      {paused !== null ? null : (
        <RoleButton {...button} variant="secondary" onClick={() => setPausing(rollout)}>
          Pause
        </RoleButton>
      )}
      {paused === null && (halted === null || halted.approval !== null) ? null : (
        <RoleButton {...button} variant="primary" onClick={() => setResuming(rollout)}>
          Resume
        </RoleButton>
      )}
      {pausing === undefined ? null : <PauseModal rollout={pausing} onClose={() => setPausing(undefined)} />}
      {resuming === undefined ? null : <ResumeModal rollout={resuming} onClose={() => setResuming(undefined)} />}
    </>
  );
};
