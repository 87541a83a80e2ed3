-- Health of a SovereignPolicy in Argo CD: docs/operate/gitops.md.
local by_phase = {
  Active = "Healthy",
  Pending = "Progressing",
  Failed = "Degraded",
  Expired = "Suspended",
}

local status = obj.status or {}
if status.phase == nil or status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "Waiting for the agent of this cluster" }
end

if status.phase ~= "Failed" then
  for _, condition in ipairs(status.conditions or {}) do
    if condition.type == "Tampered" and condition.status == "True" then
      return { status = "Degraded", message = condition.message }
    end
  end
end

-- The namespace may still come.
for _, condition in ipairs(status.conditions or {}) do
  if condition.type == "Reconciling" and condition.status == "True" and condition.reason == "NamespaceMissing" then
    return { status = "Progressing", message = status.message }
  end
end

return { status = by_phase[status.phase] or "Unknown", message = status.message }
