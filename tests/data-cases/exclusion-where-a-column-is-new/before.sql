CREATE TABLE stays (place int4range, night date, during int4range NOT NULL, PRIMARY KEY (place, night));
