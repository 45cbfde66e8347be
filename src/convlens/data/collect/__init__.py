"""Images by keyword: providers that are asked, addresses that are not trusted, and a ledger of what came."""
