import type { Plan } from '@fso/shared/effects/portable';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';
import { createPlan } from '../../api/client.ts';
import { keys } from '../../api/keys.ts';
import { type PlanDraft, requestOf } from './plan-draft.ts';

/** A plan, and the draft that it is of. */
interface MadePlan {
  readonly plan: Plan;
  readonly draft: PlanDraft;
}

/** Makes plans, one at a time; the hub stops with one that is cancelled, or whose page is left. */
export const usePlan = () => {
  const client = useQueryClient();
  const running = useRef<AbortController>(undefined);
  useEffect(() => () => running.current?.abort(), []);
  const mutation = useMutation({
    mutationFn: async (draft: PlanDraft): Promise<MadePlan> => {
      running.current?.abort();
      running.current = new AbortController();
      return { plan: await createPlan(requestOf(draft), running.current.signal), draft };
    },
    onSuccess: () => client.invalidateQueries({ queryKey: keys.plans.all }),
  });
  const cancel = (): void => {
    running.current?.abort();
    mutation.reset();
  };
  const { data: made, error, isPending, mutate } = mutation;
  return { made, error, isPending, mutate, cancel };
};
