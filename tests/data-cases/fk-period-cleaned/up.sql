DELETE FROM offers WHERE (valid <@ (SELECT range_agg(prices.valid) FROM prices
    WHERE prices.product = offers.product AND prices.valid && offers.valid)) IS NOT TRUE;
ALTER TABLE offers ADD CONSTRAINT offers_priced FOREIGN KEY (product, PERIOD valid) REFERENCES prices (product, PERIOD valid);
