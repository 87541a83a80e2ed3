# The residency decision of lock 2, in Rego.
#
# A pod is admitted only if no node outside of the allowed regions, nor a node without a region, can satisfy its required
# node constraints. The decision is found by trial: a finite set of model nodes stands for every possible node (each region
# that the pod names, one region that it does not name, and no region), and every term is tried on them.
# The texts equal those of shared/residency.
package k8sgeoresidency

region_key := "topology.kubernetes.io/region"

zone_key := "topology.kubernetes.io/zone"

# A node in a region that the pod does not name. Not a string, so that no pod can name it.
unnamed := {"region": null}

absent := {}

subject := input.review.object

operation := object.get(input.review, "operation", "")

pod := subject.spec

regions := {region | some region in list_of(input.parameters, "regions")}

# Absent and null read as empty.
list_of(from, key) := value if {
	value := object.get(from, key, [])
	is_array(value)
} else := []

object_of(from, key) := value if {
	value := object.get(from, key, {})
	is_object(value)
} else := {}

violation contains {"msg": msg, "details": {"policies": policies, "regions": sort(regions)}} if {
	not plainly_inside
	judged
	msg := sprintf("policy %s allows regions %s in namespace %s: %s; fix: %s", [
		listed(policies),
		region_text,
		object.get(subject.metadata, "namespace", object.get(input.review, "namespace", "")),
		problem.violation,
		problem.fix,
	])
}

# By its nodeSelector alone, or by a short required node affinity. Most pods are, and for them nothing else is evaluated.
plainly_inside if {
	not binding
	not pod.nodeName
	not pod.affinity
	pod.nodeSelector[region_key] in input.parameters.regions
}

plainly_inside if {
	not binding
	not pod.nodeName
	required := pod.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms
	count(required) > 0
	count(required) <= 4
	every term in required {
		plain_term(term)
	}
}

# Its other requirements only exclude more nodes.
plain_term(term) if {
	not term.matchFields
	count(term.matchExpressions) <= 8
	every expression in term.matchExpressions {
		count(list_of(expression, "values")) <= 12
	}
	some expression in term.matchExpressions
	expression.key == region_key
	expression.operator == "In"
	count(expression.values) > 0
	every value in expression.values {
		value in input.parameters.regions
	}
}

binding if input.review.kind.kind == "Binding"

problem := binding_problem if binding

problem := pod_problem if not binding

# When to judge. A change of placement is possible only on gated pods; every other update passes: else the finalizer of a
# pod from before the policy could never be removed. An audit has no operation.
judged if operation == "CREATE"

judged if not operation in {"CREATE", "UPDATE", "DELETE", "CONNECT"}

judged if {
	operation == "UPDATE"
	placement(subject) != placement(input.review.oldObject)
}

placement(of) := {
	"gates": list_of(of.spec, "schedulingGates"),
	"selector": object_of(of.spec, "nodeSelector"),
	"affinity": node_affinity(of),
}

node_affinity(of) := object_of(object_of(of.spec, "affinity"), "nodeAffinity")

# The problem of the pod. Undefined: none.
pod_problem := {"violation": "spec.nodeName bypasses the scheduler", "fix": fix_after("remove spec.nodeName and ")} if {
	pinned
	not mirror_pod
} else := {"violation": too_large_text, "fix": fix_after("shorten the required node affinity and ")} if {
	not pinned
	not daemon_set_pod
	too_large
} else := {"violation": open_placement, "fix": fix_after("")} if {
	not pinned
	not daemon_set_pod
	not too_large
}

# MAX_TERMS, MAX_REQUIREMENTS and MAX_REGION_VALUES of shared/residency: the cost of a judgement grows with the square.
too_large if count(terms) > 100

too_large if sum([count(list_of(term, part)) | some term in terms; some part in ["matchExpressions", "matchFields"]]) > 1000

too_large if count([value |
	some expressions in on_region
	some expression in expressions
	some value in array.concat([expression.operator], list_of(expression, "values"))
]) > 500

too_large_text := "the required node affinity is too large to be judged (over 100 terms, 1000 requirements or 500 regions)"

# The bind gate. API servers from 1.35 on copy the node's region to the Binding before they call the webhook
# (https://kep.k8s.io/4742). Checked in this order. Undefined: no problem.
binding_problem := {"violation": binding_violation, "fix": "bind the pod through the scheduler to a node of an allowed region"}

binding_violation := "the legacy bindings route bypasses the bind gate" if {
	input.review.resource.resource == "bindings"
} else := "the binding does not name a node" if {
	object.get(target, "kind", "") != "Node"
} else := sprintf("user \"%s\" is not trusted to bind pods", [user]) if {
	not user in list_of(input.parameters, "trustedBinders")
} else := sprintf("node \"%s\" has no known region", [node_name]) if {
	node_region == ""
} else := sprintf("node \"%s\" is in region \"%s\"", [node_name, node_region]) if {
	not node_region in regions
}

target := object_of(subject, "target")

node_name := object.get(target, "name", "")

node_labels := object_of(subject.metadata, "labels")

# A zone in another country than its region counts as a region of its own. A disputed node is in none.
node_region := "" if {
	node_name in list_of(input.parameters, "disputedNodes")
} else := "" if {
	some region in [labelled_region, "*"]
	region in list_of(input.parameters, "disputedRegions")
} else := node_labels[zone_key] if {
	labelled_region != ""
	node_labels[zone_key] in list_of(input.parameters, "zones")
} else := labelled_region

labelled_region := object.get(node_labels, region_key, "")

user := object.get(object_of(input.review, "userInfo"), "username", "")

# In an audit the scheduler has set the field, not the author of the pod.
pinned if {
	operation == "CREATE"
	object.get(pod, "nodeName", "") != ""
}

fix_after(first_step) := sprintf("%sset spec.nodeSelector[\"%s\"] to one of %s", [first_step, region_key, listed(sort(regions))]) if {
	count(regions) > 0
} else := "no region is allowed, ask the owners of the policies"

# MAX_LISTED of shared/residency.
listed(values) := sprintf("%s and more", [substring(text, 0, 1300)]) if {
	text := concat(", ", values)
	count(text) > 1300
} else := concat(", ", values)

region_text := listed(sort(regions)) if {
	count(regions) > 0
} else := "(none)"

open_placement := "nothing in the pod confines it to a region" if {
	count(terms) == 0
	not selects_region
} else := sprintf("spec.nodeSelector allows region \"%s\"", [selector[region_key]]) if {
	count(terms) == 0
	not selector[region_key] in regions
} else := sprintf("%s%s", [place(index), term_problem(index)]) if {
	index := min({i | some i, _ in terms; term_problem(i)})
}

place(_) := "spec.nodeSelector" if selects_region

place(index) := sprintf("required node affinity term %d", [index + 1]) if not selects_region

terms := list_of(object_of(node_affinity(subject), "requiredDuringSchedulingIgnoredDuringExecution"), "nodeSelectorTerms")

# The requirements of each term on the region, computed once for all model nodes. Other keys do not tie a node to a region:
# a node outside may satisfy them.
on_region := [expressions |
	some term in terms
	expressions := [expression | some expression in list_of(term, "matchExpressions"); expression.key == region_key]
]

selector := object_of(pod, "nodeSelector")

# A lookup instead of a search: it runs for each model node, and a selector may have as many keys as fit into a request.
selects_region if is_string(selector[region_key])

# The model node outside that a term admits. An empty term matches no node.
term_problem(index) := " selects a node by name, not by region" if {
	term_allows(index, unnamed)
	count(list_of(terms[index], "matchFields")) > 0
} else := " does not confine the region" if {
	term_allows(index, unnamed)
} else := sprintf(" allows region \"%s\"", [outside(index)[0]]) if {
	count(outside(index)) > 0
} else := " allows nodes without a region" if {
	term_allows(index, absent)
}

outside(index) := [value |
	some value in named(index)
	not value in regions
	term_allows(index, {"region": value})
]

# In the order of the pod, so that the first one reported is the first one written.
named(index) := array.concat(
	[value |
		some expression in on_region[index]
		expression.operator == "In"
		some value in list_of(expression, "values")
	],
	[value | value := selector[region_key]],
)

term_allows(index, node) if {
	count(list_of(terms[index], "matchExpressions")) + count(list_of(terms[index], "matchFields")) > 0
	selector_allows(node)
	every expression in on_region[index] {
		expression_allows(expression, node)
	}
}

selector_allows(_) if not selects_region

selector_allows(node) if selector[region_key] == node.region

expression_allows(expression, node) if {
	expression.operator == "In"
	node.region in list_of(expression, "values")
}

expression_allows(expression, node) if {
	expression.operator == "NotIn"
	not object.get(node, "region", "") in list_of(expression, "values")
}

expression_allows(expression, node) if {
	expression.operator == "NotIn"
	node == absent
}

expression_allows(expression, node) if {
	expression.operator == "DoesNotExist"
	node == absent
}

# A region is not a number; the safe reading is that Gt and Lt match every region.
expression_allows(expression, node) if {
	expression.operator in {"Exists", "Gt", "Lt"}
	node != absent
}

# An unknown operator excludes no node.
expression_allows(expression, _) if not expression.operator in {"In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"}

# The pod of a DaemonSet: its controller replaces every required term by one that names the node. Bind decides.
# Only from the controller itself, or unchanged since it created the pod.
daemon_set_pod if {
	made_by_controller
	some owner in list_of(subject.metadata, "ownerReferences")
	owner.kind == "DaemonSet"
	startswith(owner.apiVersion, "apps/")
	owner.controller == true
	count(terms) > 0
	every term in terms {
		one_node(term)
	}
}

# An audit has no operation.
made_by_controller if not operation in {"CREATE", "UPDATE"}

made_by_controller if {
	operation == "UPDATE"
	node_affinity(subject) == node_affinity(input.review.oldObject)
}

# The second is the name of all controllers if kube-controller-manager runs without --use-service-account-credentials.
made_by_controller if input.review.userInfo.username in {
	"system:serviceaccount:kube-system:daemon-set-controller",
	"system:kube-controller-manager",
}

one_node(term) if {
	count(list_of(term, "matchExpressions")) == 0
	fields := list_of(term, "matchFields")
	count(fields) == 1
	fields[0].key == "metadata.name"
	fields[0].operator == "In"
	count(list_of(fields[0], "values")) == 1
}

# A kubelet's record of a static pod, which runs on its node in any case: refusing the record would only hide the pod.
mirror_pod if {
	subject.metadata.annotations["kubernetes.io/config.mirror"]
	input.review.userInfo.username == sprintf("system:node:%s", [pod.nodeName])
}

# The policies that govern this namespace, of those that share the constraint.
policies := sort({name |
	some text in list_of(input.parameters, "policies")
	[name, pattern] := split(text, " ")
	pattern_matches(pattern, object.get(subject.metadata, "namespace", object.get(input.review, "namespace", "")))
})

pattern_matches(pattern, namespace) if pattern == namespace

pattern_matches(pattern, namespace) if {
	endswith(pattern, "*")
	not startswith(pattern, "*")
	startswith(namespace, trim_suffix(pattern, "*"))
}

pattern_matches(pattern, namespace) if {
	startswith(pattern, "*")
	not endswith(pattern, "*")
	endswith(namespace, trim_prefix(pattern, "*"))
}

pattern_matches(pattern, namespace) if {
	startswith(pattern, "*")
	endswith(pattern, "*")
	contains(namespace, trim_suffix(trim_prefix(pattern, "*"), "*"))
}
