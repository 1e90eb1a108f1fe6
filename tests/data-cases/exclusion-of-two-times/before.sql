CREATE TABLE rooms (id bigint PRIMARY KEY);
CREATE TABLE bookings (
    id bigint PRIMARY KEY,
    room_id bigint NOT NULL REFERENCES rooms,
    starts timestamptz NOT NULL,
    ends timestamptz NOT NULL,
    CHECK (starts <= ends)
);
