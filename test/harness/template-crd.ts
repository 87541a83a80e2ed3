/** Gatekeeper's CRD of constraint templates, reduced to the fields that the API server needs. */
export const TEMPLATE_CRD = {
  metadata: { name: 'constrainttemplates.templates.gatekeeper.sh' },
  spec: {
    group: 'templates.gatekeeper.sh',
    scope: 'Cluster',
    names: {
      kind: 'ConstraintTemplate',
      listKind: 'ConstraintTemplateList',
      plural: 'constrainttemplates',
      singular: 'constrainttemplate',
    },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
};
