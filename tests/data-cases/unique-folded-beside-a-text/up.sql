CREATE UNIQUE INDEX sources_name_folded ON sources (tenant, lower(name));
